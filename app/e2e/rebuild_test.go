package e2e_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// boltFile is the event log's name in a data directory.
const boltFile = "belfry.log.bolt"

// announce puts n announcements to a person straight into the outbox.
func (w *world) announce(n int, who member) {
	w.t.Helper()
	ctx := context.Background()
	for done := 0; done < n; {
		batch := min(250, n-done)
		err := w.db.InTx(ctx, func(tx storage.Tx) error {
			for i := range batch {
				_, err := outbox.Add(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: who.ID},
					Type: "notification.removed",
					Time: social.Time(1000 + i), Data: fmt.Appendf(nil,
						`{"id":null,"group":null,"object_id":%q,"reason":"deleted"}`, social.NewID())})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		done += batch
	}
}

// content is a sum over ids and bytes of all that the log gives.
func (w *world) content() string {
	w.t.Helper()
	sum, head, after := sha256.New(), w.log.Head(), w.log.Kept().Oldest()
	for events, err := range w.log.Tail(w.t.Context(), after) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range events {
			_, _ = sum.Write(e.AppendJSON(nil))
			after = e.Cursor
		}
		if after.Seq >= head.Seq {
			break
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// TestRebuild (P28): the log is deleted between runs; ids and bytes stay, and no client sees a gap.
func TestRebuild(t *testing.T) {
	seed, rng := luck(t)
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100"}, 4)
	s := w.stormed(60, rng.Uint64())
	events := number(t, "EVENTS", 5000)
	w.announce(min(events, 5000), w.People[0])
	w.announce(max(events-5000, 0), member{ID: social.NewID()}) // more than clients read is there for the log alone
	w.settle()
	content, took := w.content(), time.Duration(0)
	g := newGate()
	g.set(true)
	s.gate = g
	var readers []*reader
	for _, m := range w.People {
		for range 2 {
			r := newReader(w.URL, m, "all", first, g, rng)
			r.cut = 2000
			readers = append(readers, r)
			go r.run(t.Context())
		}
	}
	before := map[string]*history{}
	for _, m := range w.People {
		before[m.Name] = everything(t, w.URL, m, "all")
	}
	for range 2 {
		g.set(false)
		w.set["server.listen"] = strings.TrimPrefix(w.URL, "http://")
		w.stop()
		if err := os.Remove(filepath.Join(w.Data, boltFile)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.start()
		took = time.Since(began)
		g.set(true)
	}
	if got := w.content(); got != content {
		t.Errorf("the log was %s, and is %s", content, got)
	}
	for _, m := range w.People {
		after := everything(t, w.URL, m, "all")
		was := before[m.Name]
		if len(after.Got) != len(was.Got) {
			t.Fatalf("%s had %d events, and has %d", m.Name, len(was.Got), len(after.Got))
		}
		for i, d := range after.Got {
			if d.JSON != was.Got[i].JSON {
				t.Fatalf("%s: was %s\nis  %s", m.Name, was.Got[i].JSON, d.JSON)
			}
		}
	}
	s.all(t.Context(), 10, rng)
	s.end(t, readers...)
	x := readTruth(t, openStore(t, w.Data))
	for _, r := range readers {
		if x.checkAll(t, &r.history); len(r.Gaps) > 0 {
			t.Errorf("a client saw a gap: %+v", r.Gaps[0])
		}
	}
	report(t, "rebuild", seed, map[string]any{"events": events, "ready_s": took.Seconds()})
}

// TestRestoredCopy (I27): an older copy of the store was put back and has gone on. An id of what the copy holds goes
// on, by each road; one of what was lost gives one gap, and goes on from the head.
func TestRestoredCopy(t *testing.T) {
	_, rng := luck(t)
	w := startWorld(t, nil, 3)
	who := w.People[0]
	w.stormed(20, rng.Uint64())
	store, copied := filepath.Join(w.Data, sqlite.FileName), filepath.Join(t.TempDir(), "copy.db")
	end := w.log.Head()
	w.stop()
	copyFile(t, store, copied)
	w.start()
	w.stormed(20, rng.Uint64())
	old := everything(t, w.URL, who, "all")
	w.stop()
	copyFile(t, copied, store)
	w.start()
	w.stormed(20, rng.Uint64())
	head := headOf(t, w.URL, who)
	var kept, lost []social.Cursor
	for _, d := range old.Got {
		if d.ID.Seq <= end.Seq {
			kept = append(kept, d.ID)
		} else {
			lost = append(lost, d.ID)
		}
	}
	for _, id := range []social.Cursor{kept[0], kept[len(kept)-1], end} {
		resumes(t, w.URL, who, id.String(), "")
	}
	for _, id := range []social.Cursor{lost[0], lost[len(lost)-1], old.Last, {Epoch: end.Epoch, Seq: end.Seq + 1}} {
		resumes(t, w.URL, who, id.String(), head)
	}
	x := readTruth(t, openStore(t, w.Data))
	if x.checkAll(t, everything(t, w.URL, who, "all")) == 0 {
		t.Error("nothing is kept")
	}
}

// resumes brings an id by stream and by poll; head is where the gap leads that it has to give, "" = none.
func resumes(t *testing.T, base string, who member, id, head string) {
	t.Helper()
	body := openStream(t, base, who, id)
	defer body.Close()
	r := bufio.NewReader(body)
	ready, err := nextBlock(r)
	poll := newCaller(base, who.Token)
	if head == "" {
		if err != nil || ready.ID != id {
			t.Errorf("%s: %+v, %v; want it to go on", id, ready, err)
		}
		poll.must(t, 200, "GET", "/v1/events?after="+id, nil, "Accept: application/json")
		return
	}
	gap, err2 := nextBlock(r)
	if err != nil || err2 != nil || ready.ID != "" || gap.Event != "gap" || gap.ID != head ||
		!strings.Contains(gap.Data, `"reason":"epoch"`) {
		t.Errorf("%s: %+v %v, then %+v %v; the head is %s", id, ready, err, gap, err2, head)
	}
	out := poll.must(t, 410, "GET", "/v1/events?after="+id, nil, "Accept: application/json")
	if !strings.Contains(string(out), `"reason":"epoch"`) {
		t.Errorf("%s by poll: %s", id, out)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{to, to + "-wal", to + "-shm"} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
