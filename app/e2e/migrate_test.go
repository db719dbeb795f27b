package e2e_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestMigrateCrash (P15): a start is killed before and after the commit of each migration; every next start goes on
// from there, and the last one serves.
func TestMigrateCrash(t *testing.T) {
	c := newChild(t, filepath.Join(t.TempDir(), "data"))
	kills := 0
	for _, place := range []string{"sqlite migrate", "sqlite migrated"} {
		if c.start(place + ":1:kill") {
			t.Fatalf("a new directory has no migration: %s", place)
		}
		kills++
	}
	for !c.start("sqlite migrate:1:kill") {
		if kills++; kills > 200 {
			t.Fatal("the migrations do not get on")
		}
		if c.start("sqlite migrated:1:kill") {
			t.Fatal("the step that was cut off before its commit was taken for done")
		}
		kills++
	}
	if kills < 12 {
		t.Errorf("%d kills are fewer than 12: there are fewer migrations than there were", kills)
	}
	status, body, err := newCaller(c.URL, "").ask("POST", "/v1/auth/register", map[string]any{"username": "alice",
		"password": password})
	if err != nil || status != http.StatusCreated {
		t.Errorf("registration after %d kills: %d %s %v", kills, status, body, err)
	}
	if out := mustBelfry(t, "migrate", "status", "--data", c.Data); strings.Count(out, "up to date") != strings.Count(out,
		"\n") {
		t.Errorf("after %d kills:\n%s", kills, out)
	}
}

// TestManyStarters (P15): of four that start at once on a new directory one serves, and the others are refused.
func TestManyStarters(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var list []*child
	for range 4 {
		c := newChild(t, data)
		c.spawn("")
		list = append(list, c)
	}
	serving := 0
	for _, c := range list {
		if c.ready() {
			serving++
		} else if code := c.exit(time.Second); code != 1 || !strings.Contains(c.out.String(), "in use") {
			t.Errorf("exit code %d: %s", code, c.out)
		}
	}
	if serving != 1 {
		t.Errorf("%d serve", serving)
	}
}

// TestH52OlderProgram: tables of a newer program are refused with both versions, and nothing is written.
func TestH52OlderProgram(t *testing.T) {
	w := startWorld(t, nil, 1)
	w.stop()
	path := filepath.Join(w.Data, sqlite.FileName)
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	var version int
	if err := db.QueryRow(`UPDATE schema_posts SET version = version + 41 RETURNING version`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := newChild(t, w.Data)
	c.spawn("")
	if code := c.exit(2 * time.Second); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, part := range []string{"posts", fmt.Sprint("version ", version), fmt.Sprint("knows ", version-41)} {
		if said := c.out.String(); !strings.Contains(said, part) {
			t.Errorf("it does not say %q: %s", part, said)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was written to (%v)", err)
	}
}
