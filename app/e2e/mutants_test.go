package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is one deliberate mistake in the product: a line of a file and what stands in its place. The kit that
// guards the promise has to fail on it (P27).
type mutant struct {
	promise  string // what the mistake breaks
	file     string // from the root of the module
	old, new string // old stands once in the file
	pkg, run string // the package whose tests must fail, and which of them
}

// TestMutants (P27): the list is true to the code, so that no mutant dies silently because its text is gone. In the
// full form (make mutants) the tests of each mutant are built with the changed file laid over the real one, and have
// to fail.
func TestMutants(t *testing.T) {
	if len(mutants) < 20 {
		t.Errorf("%d mutants, P27 asks for 20", len(mutants))
	}
	full, survivors := os.Getenv("MUTANTS") != "", 0
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.promise, " ", "_"), func(t *testing.T) {
			_, err := m.mutated()
			if err == nil && full {
				err = m.killed(t.TempDir())
			}
			if err != nil {
				survivors++
				t.Error(err)
			}
		})
	}
	if full {
		report(t, "mutants", 0, map[string]any{"mutants": len(mutants), "survivors": survivors})
	}
}

func (m mutant) path() string {
	path, err := filepath.Abs(filepath.Join("..", "..", m.file))
	if err != nil {
		panic(err)
	}
	return path
}

func (m mutant) mutated() (string, error) {
	text, err := os.ReadFile(m.path())
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s has %d places of %q, want 1", m.file, n, m.old)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// killed is nil if the tests were built and failed.
func (m mutant) killed(dir string) error {
	text, err := m.mutated()
	if err != nil {
		return err
	}
	file, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	places, err := json.Marshal(map[string]map[string]string{"Replace": {m.path(): file}})
	if err != nil {
		return err
	}
	for path, content := range map[string][]byte{file: []byte(text), overlay: places} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-failfast", "-timeout=90s",
		"-run", m.run, "./"+m.pkg)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return fmt.Errorf("survived %s of %s", m.run, m.pkg)
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		return fmt.Errorf("was not built:\n%s", out)
	}
	return nil
}
