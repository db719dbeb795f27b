package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeChannel builds the channel of the README as it stands there, and finds its section in the
// configuration of the program, the token masked.
func TestReadmeChannel(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindSubmatch(readme)
	if code == nil {
		t.Fatal("the README has no program")
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "telegram.go"), filepath.Join(dir, "telegram")
	if err := os.WriteFile(source, code[1], 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the README's program does not build: %v\n%s", err, out)
	}
	show := exec.CommandContext(t.Context(), binary, "config", "print")
	show.Dir = dir
	show.Env = append(os.Environ(), "BELFRY_CHANNELS_TELEGRAM_ENABLED=true", "BELFRY_CHANNELS_TELEGRAM_TOKEN=hunter2")
	out, err := show.CombinedOutput()
	if err != nil {
		t.Fatalf("config print: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "channels.telegram.token:") || strings.Contains(string(out), "hunter2") {
		t.Errorf("config print shows\n%s", out)
	}
}

// TestReadmeNamesRealTargets: every `make x` of the documents is a target.
func TestReadmeNamesRealTargets(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"README.md", "docs/operations.md", "docs/ARCHITECTURE.md", "docs/writing-a-channel.md"} {
		text, err := os.ReadFile("../../" + doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^)make ([a-z-]+)").FindAllStringSubmatch(string(text), -1) {
			if !regexp.MustCompile("(?m)^" + m[1] + ":").Match(makefile) {
				t.Errorf("%s names make %s, which the Makefile does not have", doc, m[1])
			}
		}
	}
}
