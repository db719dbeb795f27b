package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// release is the program built as a release has it, and its packages, of the recipe in .goreleaser.yaml.
type release struct {
	t                                   *testing.T
	dir, binary, manual, deb, rpm, root string // root = what the deb puts in place
}

// TestRelease builds the packages as a release does, but for the network: what they put in place works together.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program twice")
	}
	r := buildRelease(t)
	t.Run("package", r.checkPackage)
	t.Run("unit", r.checkUnit)
	t.Run("manual", r.checkManual)
	t.Run("image", r.checkImage)
	t.Run("inventory", r.checkInventory)
	t.Run("repeated", func(t *testing.T) {
		elsewhere := filepath.Join(t.TempDir(), "belfry")
		buildFrom(t, copyOfSources(t), elsewhere)
		if a, b := read(t, r.binary), read(t, elsewhere); string(a) != string(b) {
			t.Errorf("the same sources in another place make another program: %d and %d bytes", len(a), len(b))
		}
	})
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// buildFrom builds the program with the settings of .goreleaser.yaml, without what the checkout says of itself.
func buildFrom(t *testing.T, sources, to string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", to, "./app/belfry")
	cmd.Dir, cmd.Env = sources, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
}

// copyOfSources is what a clone has, in another place.
func copyOfSources(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"app", "modules", "plugins", "storage", "go.mod", "go.sum"} {
		if name == "go.mod" || name == "go.sum" {
			if err := os.WriteFile(filepath.Join(to, name), read(t, filepath.Join("../..", name)), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		run(t, "../..", "cp", "-r", name, to)
	}
	return to
}

func buildRelease(t *testing.T) *release {
	t.Helper()
	nfpm := goTool(t, "nfpm")
	dir := t.TempDir()
	r := &release{t: t, dir: dir, binary: filepath.Join(dir, "belfry"), manual: filepath.Join(dir, "manual"),
		deb: filepath.Join(dir, "belfry.deb"), rpm: filepath.Join(dir, "belfry.rpm"), root: filepath.Join(dir, "root")}
	buildFrom(t, "../..", r.binary)
	run(t, ".", r.binary, "manual", r.manual)
	var recipe struct {
		Nfpms []map[string]any `yaml:"nfpms"`
	}
	text := strings.ReplaceAll(string(read(t, "../../.goreleaser.yaml")), "run/manual/", r.manual+"/")
	if err := yaml.Unmarshal([]byte(text), &recipe); err != nil || len(recipe.Nfpms) != 1 {
		t.Fatalf("%d packages: %v", len(recipe.Nfpms), err)
	}
	// GoReleaser adds the program, and its name, version and machine.
	p := recipe.Nfpms[0]
	p["name"], p["version"], p["arch"], p["mtime"] = "belfry", "0.0.1", runtime.GOARCH, "2026-01-02T03:04:05Z"
	p["contents"] = append(p["contents"].([]any), map[string]any{"src": r.binary, "dst": p["bindir"].(string) + "/belfry"})
	delete(p, "bindir")
	formats := p["formats"]
	delete(p, "formats")
	if !slices.Equal(formats.([]any), []any{"deb", "rpm"}) {
		t.Fatalf("packages are %v", formats)
	}
	out, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "nfpm.yaml")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "../..", nfpm, "package", "--config", file, "--packager", "deb", "--target", r.deb)
	run(t, "../..", nfpm, "package", "--config", file, "--packager", "rpm", "--target", r.rpm)
	run(t, ".", need(t, "dpkg-deb"), "-x", r.deb, r.root)
	return r
}

// goTool finds a program that `make tools` installs.
func goTool(t *testing.T, name string) string {
	t.Helper()
	path := strings.TrimSpace(run(t, ".", "go", "env", "GOPATH")) + "/bin/" + name
	if _, err := os.Stat(path); err != nil {
		return need(t, name)
	}
	return path
}

func (r *release) checkPackage(t *testing.T) {
	program := filepath.Join(r.root, "usr/bin/belfry")
	if out := run(t, ".", program, "--version"); !regexp.MustCompile(`^belfry version \S+\n$`).MatchString(out) {
		t.Errorf("--version says %q", out)
	}
	config := filepath.Join(r.root, "etc/belfry/config.yaml")
	if out := run(t, r.dir, program, "config", "check", "--config", config); out != "configuration is good\n" {
		t.Errorf("the configuration of the package: %s", out)
	}
	if kept := run(t, ".", "dpkg-deb", "--ctrl-tarfile", r.deb); !strings.Contains(kept, "/etc/belfry/config.yaml") {
		t.Error("an upgrade writes over the configuration: it is no conffile")
	}
	if lead := read(t, r.rpm)[:4]; string(lead) != "\xed\xab\xee\xdb" {
		t.Errorf("the rpm begins with % x", lead)
	}
}

func (r *release) checkUnit(t *testing.T) {
	unit := string(read(t, filepath.Join(r.root, "usr/lib/systemd/system/belfry.service")))
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.*)$`).FindStringSubmatch(unit)
	if start == nil || !strings.Contains(unit, "[Install]\nWantedBy=") {
		t.Fatalf("the unit: %s", unit)
	}
	args := strings.Fields(start[2])
	for _, path := range []string{start[1], args[slices.Index(args, "--config")+1]} {
		if _, err := os.Stat(filepath.Join(r.root, path)); err != nil {
			t.Errorf("the unit names what the package does not put in place: %v", err)
		}
	}
	run(t, ".", r.binary, append(args, "--help")...)
	page := string(read(t, "../../docs/operations.md"))
	shown := regexp.MustCompile(`(?s)` + "```ini\n(.*?)```").FindStringSubmatch(page)
	want := strings.NewReplacer("/usr/bin/", "/usr/local/bin/", "Documentation=man:belfry(1)\n", "").Replace(unit)
	if shown == nil || shown[1] != want {
		t.Errorf("docs/operations.md has another unit than the package")
	}
	here := filepath.Join(r.dir, "belfry.service") // with the program where it lies here
	if err := os.WriteFile(here, []byte(strings.ReplaceAll(unit, start[1], r.binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, ".", "systemd-analyze", "verify", "--man=no", here)
}

// checkManual: every command has its page, and the shells complete them.
func (r *release) checkManual(t *testing.T) {
	help := run(t, ".", r.binary, "--help")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) +\S`).FindAllStringSubmatch(help, -1)
	if len(commands) < 15 {
		t.Fatalf("only %d commands in %s", len(commands), help)
	}
	for _, c := range commands {
		if c[1] == "help" || c[1] == "belfry" {
			continue
		}
		page := string(read(t, filepath.Join(r.root, "usr/share/man/man1/belfry-"+c[1]+".1")))
		if !strings.Contains(page, "belfry-"+c[1]+" - ") && !strings.Contains(page, "belfry-"+c[1]+` \- `) {
			t.Errorf("the page of %s: %.200s", c[1], page)
		}
	}
	for _, shell := range []string{"bash", "zsh"} {
		file := map[string]string{"bash": "usr/share/bash-completion/completions/belfry",
			"zsh": "usr/share/zsh/vendor-completions/_belfry"}[shell]
		run(t, ".", shell, "-n", filepath.Join(r.root, file))
	}
	if out := run(t, ".", r.binary, "__complete", "user", "re"); !strings.Contains(out, "reset-password\t") {
		t.Errorf("user re is completed with %s", out)
	}
}

// checkImage: the container has the program alone, and what it is told to run exists.
func (r *release) checkImage(t *testing.T) {
	text := string(read(t, "../../.release/Dockerfile"))
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(text, -1)
	if last := stages[len(stages)-1][1]; last != "scratch" {
		t.Errorf("the image is made from %s", last)
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]\d+:`).MatchString(text) {
		t.Error("the image runs as root, or as a name that it does not know")
	}
	env := regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(text)
	cmd := exec.Command(r.binary, "config", "check")
	cmd.Dir, cmd.Env = t.TempDir(), strings.Fields(env[1])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("its environment: %v\n%s", err, out)
	}
	for _, line := range regexp.MustCompile(`(?m)(?:CMD|ENTRYPOINT) (\[.*\])$`).FindAllStringSubmatch(text, -1) {
		var words []string
		if err := json.Unmarshal([]byte(line[1]), &words); err != nil {
			t.Fatal(err)
		}
		if words[0] == "/belfry" {
			words = words[1:]
		}
		run(t, ".", r.binary, append(words, "--help")...)
	}
}

// checkInventory: what the program is built from is listed, whole.
func (r *release) checkInventory(t *testing.T) {
	file := filepath.Join(r.dir, "belfry.cdx.json")
	run(t, ".", goTool(t, "cyclonedx-gomod"), "bin", "-json", "-output", file, r.binary)
	var bom struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(read(t, file), &bom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, c := range bom.Components {
		listed[c.Name] = c.Version
	}
	about := run(t, ".", "go", "version", "-m", r.binary)
	modules := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(about, -1)
	if len(modules) < 20 {
		t.Fatalf("only %d modules are in the program", len(modules))
	}
	for _, m := range modules {
		if listed[m[1]] != m[2] {
			t.Errorf("%s %s is in the program, %q in the inventory", m[1], m[2], listed[m[1]])
		}
	}
}
