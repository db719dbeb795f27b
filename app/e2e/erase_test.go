package e2e_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage/outbox"
)

// TestErase (P26, small): after `belfry user delete` nothing of a person is in any answer or replay, at once; and
// when the jobs have run, in no row of the store, no record of the log, and none of the files, while nobody else does
// anything.
func TestErase(t *testing.T) {
	const name, word = "zebracanary", "zebraword"
	var jobs struct {
		fx.In
		List []social.Job `group:"jobs"`
	}
	w := startWorld(t, nil, 3, fx.Populate(&jobs))
	gone := w.register(name)
	alice, bob := newCaller(w.URL, w.People[0].Token), newCaller(w.URL, w.People[1].Token)
	alice.must(t, 200, "PUT", "/v1/users/"+gone.ID+"/follow", nil)
	gone.want(200, "PUT", "/v1/users/"+w.People[0].ID.String()+"/follow", nil, nil)
	copied := filepath.Join(w.Data, "belfry.db.before-upgrade") // as an upgrade would have left it
	if err := os.WriteFile(copied, []byte("a copy with "+word), 0o600); err != nil {
		t.Fatal(err)
	}
	var post, comment struct{ ID string }
	gone.want(201, "POST", "/v1/posts", map[string]any{"text": "my first #tag " + word}, &post)
	decode(t, alice.must(t, 201, "POST", "/v1/posts", map[string]any{"text": "hello @" + name}), &struct{}{})
	var hers struct{ ID string }
	decode(t, alice.must(t, 201, "POST", "/v1/posts", map[string]any{"text": "a post of hers"}), &hers)
	gone.want(201, "POST", "/v1/posts", map[string]any{"text": "a comment, " + word, "reply_to": hers.ID}, &comment)
	gone.want(200, "PUT", "/v1/posts/"+hers.ID+"/like", nil, nil)
	gone.want(201, "POST", "/v1/posts", map[string]any{"text": word + " @person1 look", "visibility": "mentioned"}, nil)
	bob.must(t, 200, "PUT", "/v1/posts/"+post.ID+"/like", nil)
	newCaller(w.URL, w.Service).must(t, 201, "POST", "/v1/notifications", map[string]any{"receiver": gone.ID,
		"type": "letter", "content": "for you, " + word}, "Idempotency-Key: letter")
	w.settle()
	if h := everything(t, w.URL, w.People[0], "all"); !strings.Contains(joined(h), word) {
		t.Fatal("the follower has seen nothing: the test would prove nothing")
	}
	live, _ := gone.stream("")

	mustBelfry(t, "user", "delete", name, "--yes", "--data", w.Data)
	if bye := live.await("bye"); !strings.Contains(bye.Data, `"revoked"`) {
		t.Errorf("the person's stream ended with %s", bye.Data)
	}
	gone.want(401, "GET", "/v1/me", nil, nil)
	w.settle()
	// What others wrote is theirs; that it is a link to that person ends with the first job.
	others := strings.NewReplacer("hello @"+name, "", `"user_id":"`+gone.ID+`","username":"`+name+`","start":6`, "")
	answers := func(when string) {
		t.Helper()
		for _, who := range []*caller{alice, bob, newCaller(w.URL, w.People[2].Token)} {
			for _, path := range []string{"/v1/timelines/home", "/v1/timelines/local", "/v1/tags/tag/posts",
				"/v1/users", "/v1/search?type=users&q=zebra", "/", "/people", "/tags/tag", "/p/" + post.ID, "/p/" + hers.ID,
				"/@" + name, "/v1/notifications", "/v1/notifications?grouped=true",
				"/v1/notifications/counts", "/v1/events?posts=all&after=oldest&limit=100",
				"/v1/users/" + gone.ID, "/v1/users/" + gone.ID + "/posts", "/v1/users/by-name/" + name, "/v1/posts/" + post.ID,
				"/v1/posts/" + comment.ID,
				"/v1/posts/" + hers.ID + "/comments", "/v1/posts/" + hers.ID + "/likes", "/v1/users/" + w.People[0].ID.String() +
					"/followers", "/v1/users/" + w.People[0].ID.String() + "/following"} {
				status, out, err := who.ask("GET", path, nil, "Accept: application/json")
				if err != nil || status != 200 && status != 404 {
					t.Errorf("%s %s: %d %v", when, path, status, err)
				}
				if text := others.Replace(string(out)); status == 200 && (strings.Contains(text, word) || strings.Contains(text,
					name)) {
					t.Errorf("%s: %s still tells: %s", when, path, text)
				}
			}
		}
		for _, m := range w.People {
			if text := others.Replace(joined(everything(t, w.URL, m, "all"))); strings.Contains(text, word) ||
				strings.Contains(text, name) {
				t.Errorf("%s: the replay of %s still tells", when, m.Name)
			}
		}
	}
	answers("at once")

	for range 3 { // what one job leaves behind, another may pick up
		for _, job := range append(jobs.List, outbox.EraseJob(w.db, w.log)) {
			for more := true; more; {
				var err error
				if more, err = job.Run(t.Context()); err != nil {
					t.Fatalf("%s: %v", job.Name, err)
				}
			}
		}
		w.settle()
	}
	others = strings.NewReplacer("hello @"+name, "")
	answers("after the jobs")
	rawFiles(t, w.Data, word)
	if err := w.log.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for events, err := range w.log.Tail(t.Context(), w.log.Kept().Oldest()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if bytes.Contains(e.Data, []byte(word)) {
				t.Errorf("the log still holds %s", e.Data)
			}
		}
		if len(events) == 0 || events[len(events)-1].Cursor.Seq+10 >= w.log.Head().Seq {
			break
		}
	}
	w.set["server.listen"] = strings.TrimPrefix(w.URL, "http://")
	w.stop()
	db := openStore(t, w.Data)
	noTrace(t, db, word, name)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	// A file that was set aside goes too.
	mustBelfry(t, "log", "rebuild", "--data", w.Data)
	w.start()
	if more, err := outbox.EraseJob(w.db, w.log).Run(t.Context()); err != nil || more {
		t.Errorf("the job has more to do: %v, %v", more, err)
	}
	answers("after the rebuild")
	w.stop()
	if _, err := os.Stat(filepath.Join(w.Data, boltFile+".aside")); !os.IsNotExist(err) {
		t.Errorf("the file that was set aside is still there: %v", err)
	}
	rawFiles(t, w.Data, word)
}

// TestEraseByItself (P26, full): a program with its own settings, on which nobody does anything, has nothing of an
// ended account in any file within an hour, and in no backup made then. ERASE is how long it is waited for.
func TestEraseByItself(t *testing.T) {
	if os.Getenv("ERASE") == "" {
		t.Skip("ERASE says how long to wait; make erase")
	}
	limit, err := time.ParseDuration(os.Getenv("ERASE"))
	if err != nil {
		t.Fatal(err)
	}
	const word = "zebraword"
	w := startWorld(t, nil, 3)
	gone, fan := w.People[0], w.People[1]
	newCaller(w.URL, fan.Token).must(t, 200, "PUT", "/v1/users/"+gone.ID.String()+"/follow", nil)
	me := newCaller(w.URL, gone.Token)
	for i := range 200 {
		me.must(t, 201, "POST", "/v1/posts", map[string]any{"text": fmt.Sprint(i, " ", strings.Repeat(word, 1+i%40))})
	}
	w.stop()
	c := newChild(t, w.Data)
	c.mustStart()
	counted := func() (n int) {
		for _, name := range []string{"belfry.db", "belfry.db-wal", boltFile} {
			b, err := os.ReadFile(filepath.Join(w.Data, name))
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte(word))
		}
		return n
	}
	before := counted()
	if before < 200 {
		t.Fatalf("the word is there %d times: the test would prove nothing", before)
	}
	mustBelfry(t, "user", "delete", gone.Name, "--yes", "--data", w.Data)
	began, tick := time.Now(), time.NewTicker(5*time.Second) // nothing tells of it, so the files are looked at
	defer tick.Stop()
	left := before
	for ; left > 0 && time.Since(began) < limit; left = counted() {
		<-tick.C
	}
	took := time.Since(began)
	if left > 0 {
		t.Errorf("%d of %d places are left after %v", left, before, took)
	}
	rawFiles(t, w.Data, word)
	backup := filepath.Join(t.TempDir(), "site.tar")
	mustBelfry(t, "backup", backup, "--data", w.Data)
	if b, err := os.ReadFile(backup); err != nil || bytes.Contains(b, []byte(word)) {
		t.Errorf("a backup holds the word, or is not there: %v", err)
	}
	report(t, "erase", 0, map[string]any{"places": before, "left": left, "after_s": int(took.Seconds())})
}

// rawFiles looks for a word in all bytes of the files of a data directory.
func rawFiles(t *testing.T, data, word string) {
	t.Helper()
	files, err := os.ReadDir(data)
	if err != nil || len(files) < 3 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(data, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte(word)); n > 0 {
			t.Errorf("%s holds the word %d times in its raw bytes", f.Name(), n)
		}
	}
}

func joined(h *history) string {
	var b strings.Builder
	for _, d := range h.Got {
		b.WriteString(d.JSON)
	}
	return b.String()
}

// noTrace looks into every column of every table, but for the answers to others that are kept for a day.
func noTrace(t testing.TB, db *sql.DB, word, name string) {
	t.Helper()
	var columns [][2]string
	each(t, db, `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
		AND m.name <> 'idempotency_keys'`, func(rows *sql.Rows) error {
		var c [2]string
		err := rows.Scan(&c[0], &c[1])
		columns = append(columns, c)
		return err
	})
	if len(columns) < 50 {
		t.Fatalf("only %d columns", len(columns))
	}
	for _, c := range columns {
		text := `replace(CAST("` + c[1] + `" AS TEXT), 'hello @` + name + `', '')` // what others wrote is theirs
		none(t, db, c[0]+"."+c[1]+" still holds it",
			`SELECT `+text+` FROM "`+c[0]+`" WHERE instr(`+text+`, $1) OR instr(`+text+`, $2)`, word, name)
	}
}
