package storagetest

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/storage"
)

// Schema checks the text of one owner's migrations; every owner calls it in a test. Both engines have the same files,
// numbered from 1 without holes, which make the same tables and indexes. No file ends the transaction it runs in. No
// foreign key is deferred (it would fail the commit of everybody in a batch) or refers to another owner's table, and
// no conflict rolls back (it would end the transaction of everybody in a batch). What only one engine knows stays in
// its own files.
func Schema(t testing.TB, m storage.Migrations) {
	t.Helper()
	lite, post := readSchema(t, m, "sqlite"), readSchema(t, m, "postgres")
	if l, p := lite.names(), post.names(); !slices.Equal(l, p) {
		t.Errorf("migrations of %s: sqlite has the files %q, postgres %q", m.Owner, l, p)
	}
	for i, name := range lite.names() {
		parts := fileName.FindStringSubmatch(name)
		if parts == nil || strings.TrimLeft(parts[1], "0") != strconv.Itoa(i+1) {
			t.Errorf("migrations of %s: file %d is called %q, want NNNN_name.up.sql with the number %d", m.Owner, i+1, name, i+1)
		}
	}
	if len(lite) == 0 {
		t.Errorf("migrations of %s: there are no files", m.Owner)
	}
	if l, p := lite.found(made, 2), post.found(made, 2); !maps.Equal(l, p) {
		for name := range l {
			if !p[name] {
				t.Errorf("migrations of %s: %s is made on sqlite only", m.Owner, name)
			}
		}
		for name := range p {
			if !l[name] {
				t.Errorf("migrations of %s: %s is made on postgres only", m.Owner, name)
			}
		}
	}
	lite.check(t, m.Owner, "sqlite", append(forbidden,
		foreignWord{`\b(bytea|jsonb|timestamptz|serial|bigserial|identity)\b`, "is PostgreSQL's"}))
	post.check(t, m.Owner, "postgres", append(forbidden,
		foreignWord{`\b(blob|autoincrement|without\s+rowid|strict|datetime)\b`, "is SQLite's"}))
}

// schema is the text of each file, without comments and literals, in lower case.
type schema map[string]string

// foreignWord is a piece of SQL that does not belong, and why.
type foreignWord struct{ pattern, why string }

var (
	fileName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.up\.sql$`)
	noise    = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'`)
	made     = regexp.MustCompile(`\bcreate\s+(?:unique\s+)?(table|index)\s+(?:if\s+not\s+exists\s+)?(\w+)`)
	refers   = regexp.MustCompile(`\breferences\s+(\w+)`)

	forbidden = []foreignWord{
		{`\b(deferrable|deferred)\b`, "defers a foreign key to the commit, where it fails everybody in the batch"},
		{`\b(or|conflict|raise\s*\()\s*rollback\b`, "ends the transaction of everybody in the batch"},
		{`(^|;)\s*(begin|commit|end|rollback|savepoint|release)\b`, "ends or opens a transaction: each file is one already"},
		{`(^|;)\s*(pragma|vacuum|attach|detach)\b`, "does nothing or fails inside a transaction"},
		{`\bnocase\b`, "is not known to PostgreSQL"},
		{`\bif\s+not\s+exists\b`, "hides that a table of this name is there already"},
	}
)

func readSchema(t testing.TB, m storage.Migrations, engine string) schema {
	t.Helper()
	files, err := fs.ReadDir(m.FS, engine)
	if err != nil {
		t.Errorf("migrations of %s: %v", m.Owner, err)
	}
	s := schema{}
	for _, f := range files {
		text, err := fs.ReadFile(m.FS, engine+"/"+f.Name())
		if err != nil {
			t.Errorf("migrations of %s: %v", m.Owner, err)
		}
		s[f.Name()] = strings.ToLower(noise.ReplaceAllString(string(text), " "))
	}
	return s
}

func (s schema) names() []string { return slices.Sorted(maps.Keys(s)) }

// found collects one group of a pattern over all files.
func (s schema) found(pattern *regexp.Regexp, group int) map[string]bool {
	set := map[string]bool{}
	for _, text := range s {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			set[match[group]] = true
		}
	}
	return set
}

func (s schema) check(t testing.TB, owner, engine string, words []foreignWord) {
	t.Helper()
	for _, name := range s.names() {
		for _, w := range words {
			if found := regexp.MustCompile(w.pattern).FindString(s[name]); found != "" {
				t.Errorf("migrations of %s: %s/%s: %q %s", owner, engine, name, strings.TrimSpace(found), w.why)
			}
		}
	}
	own := s.found(made, 2)
	for table := range s.found(refers, 1) {
		if !own[table] {
			t.Errorf("migrations of %s: a foreign key on %s refers to %s, which is another owner's", owner, engine, table)
		}
	}
}
