package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// taken is a backup that was made while people wrote.
type taken struct {
	file   string
	before []string // posts that were answered before it began
}

// TestBackup (P17): sixteen people write while the running program is backed up, again and again. Each backup is the
// whole site at one moment, no earlier than its beginning; of what is restored every id goes on, and an id of what came
// later gives one gap. A backup of the stopped program is the same row by row, and shows the same bytes. ACTS= and
// BACKUPS= make it longer.
func TestBackup(t *testing.T) {
	seed, rng := luck(t)
	acts, backups := number(t, "ACTS", 60), number(t, "BACKUPS", 3)
	w := startWorld(t, nil, 16)
	w.stop()
	c := newChild(t, w.Data, "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=100")
	c.mustStart()
	g := newGate()
	g.set(true)
	s := newStorm(c.URL, w.People, w.Service, g)
	var readers []*reader
	for _, m := range w.People {
		r := newReader(c.URL, m, "all", social.Cursor{}, g, rng)
		readers = append(readers, r)
		go r.run(t.Context())
	}
	list := backUpInStorm(t, s, c.Data, acts, backups, rng)
	s.end(t, readers...)
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.out)
	}
	on, gaps := 0, 0
	for _, b := range list {
		n, m := checkRestored(t, c.Data, b, w.People, readers)
		on, gaps = on+n, gaps+m
	}
	db := openStore(t, c.Data)
	s.check(t, db)
	x := readTruth(t, db)
	for _, r := range readers {
		x.checkAll(t, &r.history)
	}
	rows, differences := checkStopped(t, c, w.People)
	report(t, "backup", seed, map[string]any{"backups": len(list), "answered": s.answered.Load(), "rows": rows,
		"differences": differences, "ids_that_go_on": on, "ids_with_a_gap": gaps})
	if on == 0 || gaps == 0 {
		t.Errorf("%d ids went on and %d gave a gap: one of them was not tried", on, gaps)
	}
}

// backUpInStorm makes backups while everybody writes, so many acts apart.
func backUpInStorm(t *testing.T, s *storm, data string, acts, backups int, rng *rand.Rand) (list []taken) {
	t.Helper()
	writing, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	for i := range s.people {
		mine := rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
		writers.Go(func() { s.write(writing, i, 0, mine) })
	}
	dir := t.TempDir()
	for i := range backups {
		await(t, s.milestone(acts), "the storm")
		s.mu.Lock()
		b := taken{filepath.Join(dir, fmt.Sprintf("%d.tar", i)), slices.Clone(s.posts)}
		s.mu.Unlock()
		if out, err := program("", "backup", b.file, "--data", data); err != nil {
			t.Fatalf("backup: %v, %s", err, out)
		}
		list = append(list, b)
	}
	await(t, s.milestone(acts), "the storm after the last backup")
	return list
}

// checkRestored restores a backup, compares it with what became of its original, and serves it. It returns how many ids
// went on and how many gave a gap.
func checkRestored(t *testing.T, original string, b taken, people []member, live []*reader) (on, gaps int) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if out, err := program("", "restore", b.file, "--data", data); err != nil {
		t.Fatalf("restore: %v, %s", err, out)
	}
	db := openStore(t, data)
	checkWhole(t, db)
	has := readStored(t, db)
	for _, id := range b.before {
		if _, ok := has.posts[idOf(t, id)]; !ok {
			t.Errorf("%s: the post %s was answered before the backup and is not in it", b.file, id)
		}
	}
	end := sameUpTo(t, db, original)
	c := newChild(t, data)
	c.mustStart()
	defer c.kill()
	x := readTruth(t, db)
	for i, m := range people {
		x.checkAll(t, everything(t, c.URL, m, "all"))
		n, m := goesOn(t, c.URL, x, live[i], end)
		on, gaps = on+n, gaps+m
	}
	return on, gaps
}

// sameUpTo wants one moment: every announcement of the original up to the last one restored, and none beyond; the posts
// they tell of, and no others. It returns the last one.
func sameUpTo(t *testing.T, db *sql.DB, original string) social.Position {
	t.Helper()
	both := attached(t, db, original)
	var end social.Position
	if err := both.QueryRow(`SELECT MAX(id) FROM main.outbox`).Scan(&end); err != nil {
		t.Fatal(err)
	}
	none(t, both, "an announcement is not restored, or another one is", `SELECT o.id FROM original.outbox o
		LEFT JOIN main.outbox r ON r.id = o.id WHERE o.id <= $1 AND (r.id IS NULL OR o.op <> r.op OR o.stream IS NOT r.stream
		OR o.type IS NOT r.type OR o.time <> r.time OR o.actor_id IS NOT r.actor_id OR o.object_id IS NOT r.object_id
		OR o.data IS NOT NULL AND o.data IS NOT r.data)`, int64(end))
	none(t, both, "an announcement is restored that never was",
		`SELECT id FROM main.outbox WHERE id NOT IN (SELECT id FROM original.outbox)`)
	const told = `SELECT object_id FROM original.outbox WHERE type = 'post.created' AND id <= $1`
	none(t, both, "a post is announced and not restored", `SELECT id FROM original.posts WHERE id IN (`+told+`)
		AND id NOT IN (SELECT id FROM main.posts)`, int64(end))
	none(t, both, "a post is restored and not announced", `SELECT id FROM main.posts WHERE reply_to IS NULL
		AND visibility < 2 AND id NOT IN (`+told+`)`, int64(end))
	return end
}

// attached is a database with another one beside it, under the name original.
func attached(t *testing.T, db *sql.DB, data string) *sql.DB {
	t.Helper()
	db.SetMaxOpenConns(1) // what is attached belongs to a connection
	if _, err := db.Exec(`ATTACH $1 AS original`, filepath.Join(data, sqlite.FileName)); err != nil {
		t.Fatal(err)
	}
	return db
}

// goesOn holds what a client was told by the original against the restored site. With an id of what is there it goes on
// without a gap; with a later one it has one gap, and goes on.
func goesOn(t *testing.T, url string, x *truth, live *reader, end social.Position) (on, gaps int) {
	t.Helper()
	g := newGate()
	g.set(true)
	rows := map[social.Position]string{}
	for _, r := range x.rows {
		rows[r.seq] = r.text
	}
	for _, d := range live.Got {
		if text, ok := rows[d.ID.Seq]; d.ID.Seq <= end && (!ok || text != "" && text != d.JSON) {
			t.Errorf("a client was told %s\nand restored is %s", d.JSON, text)
		}
	}
	for i := 0; i < len(live.Got); i += 1 + len(live.Got)/8 {
		id := live.Got[i].ID
		r := newReader(url, live.Who, "all", id, g, newRand(1))
		for range 3 {
			if err := r.poll(false); err != nil {
				t.Fatal(err)
			}
		}
		want := 0
		if on++; id.Seq > end {
			want, on, gaps = 1, on-1, gaps+1
		}
		if len(r.Gaps) != want || len(r.Faults) > 0 {
			t.Errorf("%s, restored up to %d, gives %d gaps %+v, faults %q", id, end, len(r.Gaps), r.Gaps, r.Faults)
		}
		r.http.CloseIdleConnections()
	}
	return on, gaps
}

// checkStopped backs a stopped program up and wants its twin: the same rows, and the same bytes for everybody. It
// returns how many rows there are, and how many differ.
func checkStopped(t *testing.T, c *child, people []member) (rows, differences int) {
	t.Helper()
	data, copied := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "copied")
	mustBelfry(t, "backup", copied+"/", "--data", c.Data)
	mustBelfry(t, "restore", copied, "--data", data)
	db := attached(t, openStore(t, data), c.Data)
	var names []string
	each(t, db, `SELECT name FROM original.sqlite_schema WHERE type = 'table'
		AND name <> 'file_marks'`, func(r *sql.Rows) error {
		names = append(names, "")
		return r.Scan(&names[len(names)-1])
	})
	if !slices.Contains(names, "sqlite_sequence") || len(names) < 20 {
		t.Fatalf("these are not all tables: %q", names)
	}
	for _, name := range names {
		here, there := `main."`+name+`"`, `original."`+name+`"`
		a, b := countOf(t, db, `SELECT COUNT(*) FROM `+here), countOf(t, db, `SELECT COUNT(*) FROM `+there)
		n := countOf(t, db, `SELECT COUNT(*) FROM (SELECT * FROM `+here+` EXCEPT SELECT * FROM `+there+`)`)
		rows, differences = rows+a, differences+n+max(b-a, a-b)
		if a != b || n > 0 {
			t.Errorf("table %s has %d rows, the original %d; %d are other ones", name, a, b, n)
		}
	}
	twin := newChild(t, data)
	twin.mustStart()
	c.mustStart()
	for _, m := range people {
		if a, b := joined(everything(t, twin.URL, m, "all")), joined(everything(t, c.URL, m, "all")); a != b || a == "" {
			t.Errorf("%s is shown %d bytes, by the original %d", m.Name, len(a), len(b))
		}
	}
	return rows, differences
}

// program runs a command line in a process of its own.
func program(fault string, args ...string) (out string, err error) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestProgram$")
	cmd.Env = append(os.Environ(), childFault+"="+fault, childArgs+"="+strings.Join(args, "\n"))
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestRestoreCutOff: a restore that is killed leaves no site, whatever it got to; the next one does. One that finds the
// disk full leaves the directory as it was.
func TestRestoreCutOff(t *testing.T) {
	w := startWorld(t, nil, 2)
	w.stormed(10, 1)
	file := filepath.Join(t.TempDir(), "site.tar")
	mustBelfry(t, "backup", file, "--data", w.Data)
	restore := func(data, fault string) (out string, err error) {
		return program(fault, "restore", file, "--data", data)
	}
	for _, place := range []string{"bolt before commit:1", "bolt before sync:1", "bolt after commit:1",
		"bolt after commit:2"} {
		data := filepath.Join(t.TempDir(), "data")
		if out, err := restore(data, place+":kill"); err == nil {
			t.Errorf("%s: nothing was killed: %s", place, out)
		}
		c := newChild(t, data)
		if c.start("") {
			t.Fatalf("%s: half a site is served", place)
		}
		if !strings.Contains(c.out.String(), "a restore into it was cut off") {
			t.Errorf("%s: refused with %s", place, c.out)
		}
		if out, err := restore(data, ""); err != nil {
			t.Fatalf("%s: once more: %v, %s", place, err, out)
		}
		c.mustStart()
		if everything(t, c.URL, w.People[0], "all").Got == nil {
			t.Errorf("%s: nothing is there", place)
		}
		c.kill()
	}
	data := filepath.Join(t.TempDir(), "data")
	if out, err := restore(data, "bolt before commit:1:enospc"); err == nil || !strings.Contains(out, "no space left") {
		t.Errorf("a full disk: %v, %s", err, out)
	}
	if list, err := os.ReadDir(data); err != nil || len(list) != 1 || list[0].Name() != sqlite.LockName {
		t.Errorf("a full disk leaves %v, %v", list, err)
	}
}
