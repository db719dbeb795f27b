package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// TestRebuild (P28): the log is deleted between runs; ids and bytes stay, and no client sees a gap.
func TestRebuild(t *testing.T) {
	_, rng := luck(t)
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100"}, 4)
	s := w.stormed(60, rng.Uint64())
	w.announce(number(t, "EVENTS", 5000), w.People[0])
	w.settle()
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
		w.start()
		g.set(true)
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
}

// TestRestoredCopy (I27): an older copy of the store was put back; positions might stand for other events now, so
// the epoch is new, and each old id, on each road, gives one gap and goes on from the head.
func TestRestoredCopy(t *testing.T) {
	_, rng := luck(t)
	w := startWorld(t, nil, 3)
	who := w.People[0]
	w.stormed(20, rng.Uint64())
	store, copied := filepath.Join(w.Data, sqlite.FileName), filepath.Join(t.TempDir(), "copy.db")
	w.stop()
	copyFile(t, store, copied)
	w.start()
	w.stormed(20, rng.Uint64())
	old := everything(t, w.URL, who, "all")
	w.stop()
	copyFile(t, copied, store)
	w.start()
	ids := []string{"1-0", old.Got[0].ID.String(), old.Got[len(old.Got)/2].ID.String(), old.Last.String()}
	if head := headOf(t, w.URL, who); strings.HasPrefix(head, "1-") {
		t.Fatalf("the head is %s, of the old epoch", head)
	}
	w.stormed(20, rng.Uint64())
	head := headOf(t, w.URL, who)
	for _, id := range ids {
		body := openStream(t, w.URL, who, id)
		r := bufio.NewReader(body)
		ready, err := nextBlock(r)
		gap, err2 := nextBlock(r)
		if err != nil || err2 != nil || ready.ID != "" || gap.Event != "gap" || gap.ID != head || !strings.Contains(gap.Data,
			`"reason":"epoch"`) {
			t.Errorf("%s: %+v %v, then %+v %v; the head is %s", id, ready, err, gap, err2, head)
		}
		_ = body.Close()
		out := newCaller(w.URL, who.Token).must(t, 410, "GET", "/v1/events?after="+id, nil, "Accept: application/json")
		if !strings.Contains(string(out), `"reason":"epoch"`) {
			t.Errorf("%s by poll: %s", id, out)
		}
	}
	x := readTruth(t, openStore(t, w.Data))
	begin := social.Cursor{Epoch: x.Epoch}
	g := newGate()
	g.set(true)
	r := newReader(w.URL, who, "all", begin, g, rng) // in the new epoch, from the beginning
	for at := (social.Cursor{}); r.Last != at; {
		at = r.Last
		if err := r.poll(false); err != nil {
			t.Fatal(err)
		}
	}
	if x.checkAll(t, &r.history) == 0 {
		t.Error("nothing is kept")
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
