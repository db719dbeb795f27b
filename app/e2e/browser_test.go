package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBrowser drives the web client in a real Chromium. SHOTS=<folder> keeps the screenshots.
func TestBrowser(t *testing.T) {
	chromium := need(t, "chromium", "chromium-browser", "google-chrome")
	npmInstall(t)
	s := startSite(t, nil)
	shots := os.Getenv("SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	out := node(t, []string{"BELFRY_ADMIN=" + s.Admin}, "page.mjs", s.URL, shots, chromium)
	if !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Errorf("the page's journey broke off:\n%s", out)
	}
}

// need finds a program. Where it is missing, a laptop skips and CI fails.
func need(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("none of %v is installed", names)
	}
	t.Skipf("SKIP: none of %v is installed", names)
	return ""
}

// npmInstall puts the stock clients in place, once.
func npmInstall(t *testing.T) {
	t.Helper()
	npm := need(t, "npm")
	need(t, "node")
	if _, err := os.Stat(filepath.Join("browser", "node_modules", "playwright-core")); err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = "browser"
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		t.Skipf("SKIP: npm ci: %v", err)
	}
}

// node runs a script of the folder browser and returns what it printed.
func node(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "node"), args...)
	cmd.Dir = "browser"
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}
