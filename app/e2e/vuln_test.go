package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVuln: the check for known vulnerabilities believes no database that is empty, old or without what everybody
// knows, passes with a sound one, and fails when something known is called. A database out of reach is no failure.
func TestVuln(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads the whole standard library")
	}
	tool := exec.Command("sh", "-c", `go version -m "$(go env GOPATH)/bin/govulncheck" |
		grep -q "$(sed -n 's/^GOVULNCHECK_VERSION := /vuln./p' ../../Makefile)"`)
	if tool.Run() != nil {
		t.Skip("govulncheck is not installed, or is of another version (make tools)")
	}
	known := vulnReport{"GO-2021-0113", "golang.org/x/text", "golang.org/x/text/language", "Parse"}
	called := vulnReport{"GO-2026-0001", "stdlib", "strconv", "Itoa"}
	now, old := time.Now(), time.Now().AddDate(0, 0, -40)
	for name, tt := range map[string]struct {
		db   string
		code int
		says string
	}{
		"empty": {vulnDB(t, now, 0), 1, `"pass":false,"why":"the database has too few reports, at least 1000","reports":0,`},
		"few":   {vulnDB(t, now, 10, known), 1, `too few reports, at least 1000","reports":11,`},
		"old":   {vulnDB(t, old, 1000, known), 1, `"why":"the database is older than 30 days","reports":1001,"age_days":40}`},
		"blind": {vulnDB(t, now, 1000), 1, `"why":"golang.org/x/text@v0.3.5 is not known as vulnerable"`},
		"none":  {"file://" + t.TempDir(), 1, `"why":"there is no database in file://`},
		"away":  {"http://127.0.0.1:1", 0, "SKIP vuln: http://127.0.0.1:1 cannot be reached"},
		"sound": {vulnDB(t, now, 1000, known), 0, `{"check":"vuln","pass":true,"reports":1001,"age_days":0,"found":0}`},
		"called": {vulnDB(t, now, 1000, known, called), 1,
			`"why":"govulncheck ended with 3","reports":1002,"age_days":0,"found":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("../../.ci/vuln", "./modules/social")
			cmd.Env = append(os.Environ(), "GOVULNDB="+tt.db)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.says) {
				t.Errorf("ended with %d, want %d and %q:\n%s", code, tt.code, tt.says, out)
			}
		})
	}
}

// vulnReport is what a database knows of one module.
type vulnReport struct{ id, module, path, symbol string }

// vulnDB makes a database with so many reports of nothing and these ones.
func vulnDB(t *testing.T, modified time.Time, nothing int, reports ...vulnReport) string {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var list, modules []string
	for i := range nothing {
		list = append(list, fmt.Sprintf(`{"id":"GO-2020-%04d"}`, i))
	}
	for _, r := range reports {
		list = append(list, fmt.Sprintf(`{"id":%q}`, r.id))
		modules = append(modules, fmt.Sprintf(`{"path":%q,"vulns":[{"id":%q}]}`, r.module, r.id))
		write("ID/"+r.id+".json", fmt.Sprintf(`{"schema_version":"1.3.1","id":%q,"affected":[{"package":{"name":%q,
			"ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":
			{"imports":[{"path":%q,"symbols":[%q]}]}}],
			"database_specific":{"url":"https://vuln.example"}}`, r.id, r.module, r.path, r.symbol))
	}
	write("index/vulns.json", "["+strings.Join(list, ",")+"]")
	write("index/modules.json", "["+strings.Join(modules, ",")+"]")
	write("index/db.json", `{"modified":"`+modified.UTC().Format(time.RFC3339)+`"}`)
	return "file://" + dir
}
