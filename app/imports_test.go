package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const root = "github.com/belfry-social/belfry/"

// rule says which of our packages a package may import. A pattern ending in /* stands for direct children.
type rule struct {
	pkg   string
	may   []string
	fence []string // third-party prefixes it may import although they are fenced
}

// law is all rules. The first one that matches decides; a package without a rule fails the test. docs/imports.md is
// drawn from it: go test ./app -run Imports -update.
var law = []rule{
	{pkg: "modules/social"},
	{pkg: "storage", may: []string{"modules/social"}},
	{pkg: "plugins", may: []string{"modules/social"}, fence: []string{fiber, huma, fxLib}},
	{pkg: "modules/event", may: []string{"modules/social", "storage"}},
	{pkg: "modules/moduletest", may: []string{"modules/social", "modules/event", "storage", "storage/*"},
		fence: []string{fiber, huma}},
	{pkg: "modules/delivery", may: []string{"modules/social", "modules/delivery/*", "storage", "plugins"},
		fence: []string{fiber, huma, fxLib}},
	{pkg: "modules/delivery/dispatch", may: []string{"modules/social", "storage", "plugins"}},
	{pkg: "modules/delivery/pipeline", may: []string{"modules/social", "modules/event", "modules/delivery/dispatch",
		"storage", "plugins"}},
	{pkg: "modules/delivery/reading", may: []string{"modules/social", "storage", "plugins"}},
	{pkg: "modules/users", may: []string{"modules/social", "modules/event", "modules/users/access", "storage",
		"storage/outbox"},
		fence: []string{huma, fxLib}},
	{pkg: "modules/users/access", may: []string{"modules/social", "storage", "storage/outbox"}, fence: []string{huma}},
	{pkg: "modules/posts", may: []string{"modules/social", "modules/event", "modules/posts/*", "storage",
		"storage/outbox"}, fence: []string{huma, fxLib}},
	{pkg: "modules/posts/timeline", may: []string{"modules/social", "modules/event", "storage"}},
	{pkg: "modules/media", may: []string{"modules/social", "modules/event", "modules/media/*", "storage",
		"storage/outbox"}, fence: []string{huma, fxLib}},
	{pkg: "modules/media/files", fence: []string{minio}},
	{pkg: "modules/media/picture"},
	{pkg: "modules/*", may: []string{"modules/social", "modules/event", "storage", "storage/outbox"},
		fence: []string{huma, fxLib}},
	{pkg: "storage/outbox", may: []string{"modules/social", "storage"}},
	{pkg: "storage/storagetest", may: []string{"modules/social", "storage", "storage/outbox"}},
	{pkg: "storage/bolt", may: []string{"modules/social", "storage"}, fence: []string{bbolt}},
	{pkg: "storage/sqlite", may: []string{"modules/social", "storage"}, fence: []string{migrate, sqlite}},
	{pkg: "plugins/channeltest", may: []string{"modules/social", "plugins"}, fence: []string{fiber, huma}},
	{pkg: "plugins/sse/wire"},
	{pkg: "plugins/sse/frames", may: []string{"modules/social", "plugins"}},
	{pkg: "plugins/sse/audience", may: []string{"modules/social"}},
	{pkg: "plugins/sse", may: []string{"modules/social", "plugins", "plugins/sse/*"},
		fence: []string{fiber, fasthttp, huma, fxLib}},
	{pkg: "plugins/*", may: []string{"modules/social", "plugins"}, fence: []string{fxLib}},
	{pkg: "app", may: []string{"*"}, fence: []string{fiber, fasthttp, huma, fxLib}},
	{pkg: "app/cli", may: []string{}},
	{pkg: "app/backup", may: []string{"modules/social"}},
	{pkg: "app/bench", may: []string{"app/bench/*", "modules/social"}},
	{pkg: "app/bench/client", may: []string{"app/bench/machine", "modules/social"}},
	{pkg: "app/bench/floor", may: []string{"app/bench/machine", "modules/social"}},
	{pkg: "app/bench/machine", may: []string{}},
	{pkg: "app/bench/seed", may: []string{"app/bench/client", "modules/*", "storage", "storage/sqlite"}},
	{pkg: "app/quota", may: []string{"modules/social", "storage"}},
	{pkg: "app/server", may: []string{"app/quota", "modules/social", "plugins", "storage"},
		fence: []string{fiber, fasthttp, huma}},
	{pkg: "app/config", may: []string{"app/quota", "app/server", "app/demo", "modules/social", "modules/*",
		"modules/delivery/*", "plugins", "plugins/sse"}},
	{pkg: "app/demo", may: []string{"modules/social", "modules/*"}},
	{pkg: "app/web", may: []string{"modules/social"}, fence: []string{fiber}},
	{pkg: "app/*", may: []string{"*"}, fence: []string{fiber, fasthttp, huma, fxLib, bbolt, sqlite}},
}

const (
	fiber    = "github.com/gofiber/"
	fasthttp = "github.com/valyala/fasthttp"
	huma     = "github.com/danielgtaylor/huma/"
	fxLib    = "go.uber.org/fx"
	bbolt    = "go.etcd.io/bbolt"
	migrate  = "github.com/golang-migrate/"
	sqlite   = "github.com/ncruces/go-sqlite3"
	cobra    = "github.com/spf13/cobra"
	pgx      = "github.com/jackc/pgx"
	minio    = "github.com/minio/"
)

var fences = []string{fiber, fasthttp, huma, fxLib, bbolt, migrate, sqlite, pgx, minio}

// fiber and huma are allowed in a file named http.go, and fx in module.go, of any package that lists them; the
// finer rule (which file) is depguard's.

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportLaw(t *testing.T) {
	for _, p := range packages(t) {
		for _, problem := range judge(p) {
			t.Error(problem)
		}
	}
}

// packages are all of ours.
func packages(t *testing.T) (list []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list showed %d packages", len(list))
	}
	return list
}

// TestImportLawIsSharp breaks the law on paper and expects to be caught.
func TestImportLawIsSharp(t *testing.T) {
	for _, p := range []goPackage{
		{root + "modules/social", []string{root + "storage"}},
		{root + "modules/posts", []string{root + "modules/users"}},
		{root + "modules/posts", []string{root + "plugins"}},
		{root + "modules/delivery/reading", []string{root + "modules/delivery/pipeline"}},
		{root + "plugins/webhook", []string{root + "storage"}},
		{root + "plugins/webhook", []string{"github.com/gofiber/fiber/v2"}},
		{root + "storage/outbox", []string{root + "plugins"}},
		{root + "storage/sqlite", []string{"go.etcd.io/bbolt"}},
		{root + "modules/users", []string{"github.com/ncruces/go-sqlite3"}},
		{root + "app/e2e", []string{root + "app/bench/seed"}},
		{root + "app/cli", []string{root + "app/bench"}},
		{root + "app/bench/client", []string{root + "app/bench/seed"}},
		{root + "modules/users/access", []string{root + "modules/users"}},
		{root + "app/server", []string{root + "app"}},
		{root + "app/config", []string{root + "app"}},
		{root + "app/config", []string{"github.com/gofiber/fiber/v2"}},
		{root + "util", nil},
	} {
		if len(judge(p)) == 0 {
			t.Errorf("%s importing %v was allowed", p.ImportPath, p.Imports)
		}
	}
}

func judge(p goPackage) []string {
	name, ok := strings.CutPrefix(p.ImportPath, root)
	if !ok {
		return []string{p.ImportPath + " is not below " + root}
	}
	i := ruleOf(name)
	if i < 0 {
		return []string{name + " has no rule in the import law"}
	}
	var problems []string
	for _, imp := range p.Imports {
		if own, ok := strings.CutPrefix(imp, root); ok {
			if isLoadTool(own) && name != "app" && !isLoadTool(name) {
				problems = append(problems, name+" must not know of the load tool: "+own)
			}
			if !slices.ContainsFunc(law[i].may, func(pattern string) bool { return pattern == "*" || matches(pattern, own) }) {
				problems = append(problems, name+" must not import "+own)
			}
			continue
		}
		for _, f := range fences {
			if strings.HasPrefix(imp, f) && !slices.Contains(law[i].fence, f) {
				problems = append(problems, name+" must not import "+imp)
			}
		}
		if strings.HasPrefix(imp, cobra) && name != "app/cli" {
			problems = append(problems, name+" must not import "+imp)
		}
	}
	return problems
}

// isLoadTool reports whether a package belongs to the load tool, which app alone may import, to register its command.
func isLoadTool(name string) bool {
	return name == "app/bench" || strings.HasPrefix(name, "app/bench/")
}

// ruleOf is the index of the rule for a package, -1 if there is none.
func ruleOf(name string) int {
	return slices.IndexFunc(law, func(r rule) bool { return matches(r.pkg, name) })
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/*"); ok {
		rest, ok := strings.CutPrefix(name, prefix+"/")
		return ok && !strings.Contains(rest, "/")
	}
	return pattern == name
}
