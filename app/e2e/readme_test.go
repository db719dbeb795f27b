package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeChannel builds the programs of the documents as they stand there, and finds each channel's section in
// the configuration of its program, a token masked.
func TestReadmeChannel(t *testing.T) {
	for doc, want := range map[string]string{"README.md": "channels.file.file:",
		"docs/writing-a-channel.md": "channels.telegram.token:"} {
		t.Run(doc, func(t *testing.T) {
			text, err := os.ReadFile("../../" + doc)
			if err != nil {
				t.Fatal(err)
			}
			code := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindSubmatch(text)
			if code == nil {
				t.Fatal("there is no program")
			}
			dir := t.TempDir()
			source, binary := filepath.Join(dir, "channel.go"), filepath.Join(dir, "channel")
			if err := os.WriteFile(source, code[1], 0o600); err != nil {
				t.Fatal(err)
			}
			build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source)
			build.Dir = "../.."
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("the program does not build: %v\n%s", err, out)
			}
			show := exec.CommandContext(t.Context(), binary, "config", "print")
			show.Dir = dir
			show.Env = os.Environ()
			if strings.Contains(want, "telegram") {
				show.Env = append(show.Env, "BELFRY_CHANNELS_TELEGRAM_ENABLED=true", "BELFRY_CHANNELS_TELEGRAM_TOKEN=hunter2")
			}
			out, err := show.CombinedOutput()
			if err != nil {
				t.Fatalf("config print: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), want) || strings.Contains(string(out), "hunter2") {
				t.Errorf("config print shows\n%s", out)
			}
		})
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
