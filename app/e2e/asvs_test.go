package e2e_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tsv gives the rows of a table; lines with # are left out.
func tsv(t *testing.T, path string) (rows [][]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(line, "\t"))
		}
	}
	return rows
}

// allTests gives the tests of the tree, as app/e2e.TestASVSMap.
func allTests(t *testing.T) map[string]bool {
	t.Helper()
	found, runs := map[string]bool{}, regexp.MustCompile(`^(Test|Fuzz)[A-Z0-9]`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && runs.MatchString(f.Name.Name) {
				found[filepath.ToSlash(dir)+"."+f.Name.Name] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestASVSMap (P21): each requirement of ASVS 5.0.0 of level 1 and 2 stands in docs/asvs.tsv once, in the order of the
// standard, with tests that exist, or as open or not applicable with the reason. docs/asvs.md has the same counts.
// REPORT=1 prints them.
func TestASVSMap(t *testing.T) {
	official, rows, tests := tsv(t, "testdata/asvs-5.0.0.tsv"), tsv(t, "../../docs/asvs.tsv"), allTests(t)
	if len(official) != 253 || len(rows) != len(official) {
		t.Fatalf("%d rows for %d requirements, of which there are 253", len(rows), len(official))
	}
	counts := map[string]int{}
	for i, row := range rows {
		if len(row) != 5 || row[0] != official[i][0] || row[1] != official[i][1] {
			t.Fatalf("row %d is %q, want id and level %q, and five columns", i+1, row, official[i])
		}
		id, level, state, names, words := row[0], row[1], row[2], strings.Fields(row[3]), row[4]
		switch {
		case state == "test" && len(names) == 0:
			t.Errorf("%s names no test", id)
		case state != "test" && (len(names) != 0 || words == ""):
			t.Errorf("%s is %s: it needs a reason and no tests", id, state)
		case state != "test" && state != "open" && state != "not":
			t.Errorf("%s has the state %q", id, state)
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%s: there is no test %s", id, name)
			}
		}
		counts["l"+level+"_"+state]++
	}
	figures := map[string]any{"l1_applicable": counts["l1_test"] + counts["l1_open"], "l1_covered": counts["l1_test"],
		"l1_open": counts["l1_open"], "l2_applicable": counts["l2_test"] + counts["l2_open"],
		"l2_covered": counts["l2_test"], "l2_open": counts["l2_open"], "not_applicable": counts["l1_not"] + counts["l2_not"]}
	page, err := os.ReadFile("../../docs/asvs.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][2]string{{"applies", "applicable"}, {"has a test", "covered"}, {"open", "open"}} {
		want := fmt.Sprintf("| %s | %d | %d |", row[0], figures["l1_"+row[1]], figures["l2_"+row[1]])
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/asvs.md has no row %s", want)
		}
	}
	report(t, "asvs", 0, figures)
}

// TestSecretsAreLong: what opens something has at least 192 bits, is another each time, and a new site has no accounts.
func TestSecretsAreLong(t *testing.T) {
	s := startSite(t, nil)
	people := func() int {
		var page struct{ Users []any }
		s.command("user list", map[string]any{}, &page)
		return len(page.Users)
	}
	if n := people(); n != 0 {
		t.Fatalf("a new site has %d accounts", n)
	}
	alice := s.register("alice")
	if n := people(); n != 1 {
		t.Fatalf("with one person there are %d accounts", n)
	}
	seen := map[string]bool{}
	for range 3 {
		var token, service struct{ Token string }
		var ticket struct{ Ticket string }
		alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "t", "scopes": []string{"read"}}, &token)
		alice.want(201, "POST", "/v1/stream-tickets", nil, &ticket)
		s.command("token service", map[string]any{"name": "shop"}, &service)
		_, webhook := alice.endpoint("https://bot.example/hook")
		session := s.login("alice").http.Jar.Cookies(mustURL(t, s.URL))[0].Value
		for _, secret := range []string{token.Token, service.Token, ticket.Ticket, session, webhook} {
			if seen[secret] || !regexp.MustCompile(`^([a-z]+_)?[A-Za-z0-9_+/-]{32,}=?$`).MatchString(secret) {
				t.Errorf("the secret has %d characters, seen before: %t", len(secret), seen[secret])
			}
			seen[secret] = true
		}
	}
}
