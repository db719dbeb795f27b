package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// disk is where both stores live, with its troubles.
type disk struct{ noStore, noLog, broken, brokenLog atomic.Bool }

func (d *disk) hooks() app.Hooks {
	return app.Hooks{
		SQLite: func(sqlite.Point) error {
			switch {
			case d.broken.Load():
				return fmt.Errorf("%w: injected: %w", storage.ErrFailed, syscall.EIO)
			case d.noStore.Load():
				return fmt.Errorf("%w: injected: %w", storage.ErrFull, syscall.ENOSPC)
			}
			return nil
		},
		Bolt: func(p bolt.Failpoint) error {
			if p == bolt.BeforeSync && d.brokenLog.Load() {
				return fmt.Errorf("%w: injected: %w", storage.ErrFailed, syscall.EIO)
			}
			if p == bolt.BeforeCommit && d.noLog.Load() {
				return &fs.PathError{Op: "write", Path: "injected", Err: syscall.ENOSPC}
			}
			return nil
		},
	}
}

// TestDiskFull (P4): while there is no space, writes are refused with 507 and reads, logins' answers and open
// streams go on; with the space everything comes back by itself, nothing lost, nothing doubled.
func TestDiskFull(t *testing.T) {
	_, rng := luck(t)
	d := &disk{}
	w := startWorld(t, nil, 3, withHooks(d.hooks()))
	s := w.stormed(20, rng.Uint64())
	g := newGate()
	g.set(true)
	stays := newReader(w.URL, w.People[0], "all", first, g, rng)
	stays.only, stays.cut = "stream", 0
	go stays.run(t.Context())
	me := newCaller(w.URL, w.People[1].Token)
	post := func(n int) act {
		return act{kind: "post", who: w.People[1], text: fmt.Sprintf("post %d in hard times", n), key: fmt.Sprint("hard-", n)}
	}

	d.noStore.Store(true)
	var problem struct{ Code, Type string }
	for n := range 3 {
		a := post(n)
		decode(t, me.must(t, http.StatusInsufficientStorage, "POST", "/v1/posts", map[string]any{"text": a.text},
			"Idempotency-Key: "+a.key), &problem)
	}
	if problem.Code != "storage_full" || problem.Type != "/problems/storage_full" {
		t.Errorf("problem %+v", problem)
	}
	for _, path := range []string{"/v1/timelines/home", "/v1/notifications", "/v1/events?after=oldest", "/readyz"} {
		me.must(t, 200, "GET", path, nil, "Accept: application/json")
	}
	if state := readiness(t, w.Admin); !strings.Contains(state, `"degraded"`) {
		t.Errorf("readyz: %s", state)
	}
	d.noStore.Store(false)
	for n := range 3 { // the same requests once more, and a third time
		a := post(n)
		for range 2 {
			if !s.do(me, me, &a) || !a.answered {
				t.Errorf("with space again, %s is refused", a.text)
			}
		}
		s.acts[1] = append(s.acts[1], a)
	}

	// The log has no space: what is written is kept, and told when there is.
	d.noLog.Store(true)
	for n := 3; n < 6; n++ {
		a := post(n)
		if !s.do(me, me, &a) || !a.answered {
			t.Errorf("%s is refused, though the store has space", a.text)
		}
		s.acts[1] = append(s.acts[1], a)
	}
	before := headOf(t, w.URL, w.People[1])
	d.noLog.Store(false)
	w.settle()
	if now := headOf(t, w.URL, w.People[1]); now == before {
		t.Error("the log has not gone on")
	}
	s.end(t, stays)
	if state := readiness(t, w.Admin); !strings.Contains(state, `"ready"`) {
		t.Errorf("readyz afterwards: %s", state)
	}
	db := openStore(t, w.Data)
	s.check(t, db)
	x := readTruth(t, db)
	x.checkAll(t, &stays.history, everything(t, w.URL, w.People[1], "all"))
}

// TestFsyncError (P3): after the first EIO of the store no write is answered with 2xx any more and the server is
// not ready.
func TestFsyncError(t *testing.T) {
	d := &disk{}
	w := startWorld(t, nil, 1, withHooks(d.hooks()))
	program := w.program
	me := newCaller(w.URL, w.People[0].Token)
	me.must(t, 201, "POST", "/v1/posts", map[string]any{"text": "before"})
	d.broken.Store(true)
	if status, _, _ := me.ask("POST", "/v1/posts", map[string]any{"text": "meanwhile"}); status != 0 && status < 500 {
		t.Errorf("the write is answered with %d", status)
	}
	if state := readiness(t, w.Admin); state != "" && !strings.Contains(state, "503") {
		t.Errorf("readyz: %s", state)
	}
	d.broken.Store(false) // a disk that says it is well again is not to be believed
	if err := w.db.InTx(t.Context(), func(storage.Tx) error { return nil }); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("the store writes again: %v", err)
	}
	for range 3 {
		if status, _, _ := me.ask("POST", "/v1/posts", map[string]any{"text": "after"}); status != 0 && status < 500 {
			t.Errorf("a later write is answered with %d", status)
		}
	}
	select {
	case sig := <-program.Wait():
		if sig.ExitCode == 0 {
			t.Error("the program wants to end with 0")
		}
	case <-time.After(5 * time.Second):
		t.Error("the program goes on")
	}
}

// TestFsyncErrorOfTheLog (P3): the failure of the event log stops the writes to the database as well, at once and not
// when the program has ended: what is answered has to be told, too.
func TestFsyncErrorOfTheLog(t *testing.T) {
	d := &disk{}
	w := startWorld(t, nil, 1, withHooks(d.hooks()))
	program := w.program
	d.brokenLog.Store(true)
	newCaller(w.URL, w.People[0].Token).must(t, 201, "POST", "/v1/posts", map[string]any{"text": "synced before"})
	select {
	case sig := <-program.Wait():
		if sig.ExitCode == 0 {
			t.Error("the program wants to end with 0")
		}
	case <-time.After(deadline):
		t.Fatal("the program goes on")
	}
	d.brokenLog.Store(false)
	if err := w.db.InTx(t.Context(), func(storage.Tx) error { return nil }); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("the database takes writes though the log has failed: %v", err)
	}
	if state := readiness(t, w.Admin); state != "" && !strings.Contains(state, "503") {
		t.Errorf("readyz: %s", state)
	}
	w.program = nil // its end is looked at here
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := program.Stop(ctx); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("the end says %v", err)
	}
}

// TestFsyncErrorEndsProgram (P3): from the first EIO of either store on no write that arrives is answered with 2xx,
// whoever asks; the process ends by itself within 5 s and not with 0; and the next start has every write that was
// answered, those among them whose answers were still on their way when the store failed.
func TestFsyncErrorEndsProgram(t *testing.T) {
	seed, rng := luck(t)
	faults := []string{"sqlite commit:40:eio", "bolt before commit:20:eio", "bolt before sync:20:eio"}
	for n := number(t, "FAILURES", len(faults)); len(faults) < n; {
		place := []string{"sqlite begin", "sqlite commit", "bolt before commit", "bolt before sync"}[rng.IntN(4)]
		faults = append(faults, fmt.Sprintf("%s:%d:eio", place, 10+rng.IntN(200)))
	}
	kept := 0
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			w := startWorld(t, nil, 2)
			w.stop()
			c := newChild(t, w.Data)
			if !c.start(fault) {
				t.Fatalf("it ended at start: %s", c.out)
			}
			answered := writeUntilRefused(t, c, w.People[0].Token)
			if code := c.exit(5 * time.Second); code != 1 {
				t.Errorf("exit code %d:\n%s", code, c.out)
			}
			c.mustStart()
			c.kill()
			db := openStore(t, c.Data)
			for _, text := range answered {
				one(t, db, "answered "+text, `SELECT COUNT(*) FROM posts WHERE text = $1`, text)
			}
			checkWhole(t, db)
			if kept += len(answered); len(answered) == 0 {
				t.Error("nothing was answered at all")
			}
		})
	}
	report(t, "fsyncfail", seed, map[string]any{"failures": len(faults), "answered": kept})
}

// writeUntilRefused posts from many sides at once, each until it has been refused three times, and returns the texts
// that were answered. A write that begins when another has been refused must not be answered with 2xx.
func writeUntilRefused(t *testing.T, c *child, token string) (answered []string) {
	var mu sync.Mutex
	var failed atomic.Bool // somebody has seen it
	var all sync.WaitGroup
	for side := range 16 {
		all.Go(func() {
			me := newCaller(c.URL, token)
			for n, refused := 0, 0; n < 2000 && refused < 3; n++ {
				text, late := fmt.Sprintf("post %d of %d", n, side), failed.Load()
				status, _, err := me.ask("POST", "/v1/posts", map[string]any{"text": text})
				if err != nil || status != 201 {
					failed.Store(true)
					refused++
					continue
				}
				if late {
					t.Errorf("%s was begun after the failure and is answered", text)
				}
				mu.Lock()
				answered = append(answered, text)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answered
}

// readiness gives the status and body of the operator's /readyz; "" when nobody answers.
func readiness(t testing.TB, admin string) string {
	t.Helper()
	status, out, err := newCaller(admin, "").ask("GET", "/readyz", nil)
	if err != nil {
		return ""
	}
	if !json.Valid(out) {
		t.Errorf("readyz: %s", out)
	}
	return fmt.Sprint(status, " ", string(out))
}
