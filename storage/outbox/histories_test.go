package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// home is a data directory and whoever has run in it: what an operator can do to it, and what readers were shown.
type home struct {
	rapid.TB
	dir   string
	ctx   context.Context
	db    *sqlite.DB // nil = no process runs
	log   *bolt.Log  // nil = this process has no log, as a command without a server
	relay *outbox.Relay

	acts  int
	sites int // how many were made
	past      // of what is on disk
	kept  int // positions that are trimmed
	shown map[social.Cursor]past
}

// past is what led to a position: a site, and the announcement at each position from 1 on.
type past struct {
	site    int
	history []string
}

func (p past) until(position social.Position) past {
	return past{p.site, slices.Clone(p.history[:position])}
}

func (h *home) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

const logName = "events.bolt"

// start runs a process; a command gives positions without a log.
func (h *home) start(command bool) {
	h.Helper()
	db, err := sqlite.Open(h.ctx, sqlite.Config{Path: h.path(sqlite.FileName), Synchronous: sqlite.SyncOff, Readers: 1})
	h.must(err)
	h.db = db
	h.must(storage.MigrateAll(h.ctx, db, storage.OwnMigrations))
	h.must(db.Fits(h.ctx))
	if command {
		return
	}
	cfg := bolt.DefaultConfig(h.path(logName))
	cfg.InitialMap = 1 << 20
	h.log, err = bolt.Open(cfg)
	h.must(err)
	_, err = outbox.Reconcile(h.ctx, h.db, h.log)
	h.must(err)
	h.relay = outbox.NewRelay(h.db, h.log, time.Now, zap.NewNop())
	h.must(h.relay.CatchUp(h.ctx))
	h.look()
}

// stop ends the process. A kill leaves the log behind the store, for which nothing was relayed, and every file as it is
// at that moment: the site goes on with a copy of them.
func (h *home) stop(killed bool) {
	h.Helper()
	if killed {
		left := filepath.Join(h.dir, "left")
		list, err := os.ReadDir(h.dir)
		h.must(err)
		h.must(os.Mkdir(left, 0o700))
		for _, e := range list {
			content, err := os.ReadFile(h.path(e.Name()))
			h.must(err)
			h.must(os.WriteFile(filepath.Join(left, e.Name()), content, 0o600))
		}
		defer func() { h.dir = left }()
	}
	if h.log != nil {
		if !killed {
			h.must(h.relay.CatchUp(h.ctx))
			h.look()
		}
		h.must(h.log.Close())
		h.log = nil
	}
	h.must(h.db.Close())
	h.db = nil
}

// write gives one position.
func (h *home) write() {
	h.Helper()
	h.acts++
	text := fmt.Sprint("act ", h.acts)
	h.must(h.db.InTx(h.ctx, func(tx storage.Tx) error {
		return outbox.Announce(h.ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: person(1)},
			Type: "post.created", Actor: person(1), Time: 1, Data: fmt.Appendf(nil, "%q", text)})
	}))
	h.history = append(h.history, text)
}

// look is a reader that is shown the head, and so everything up to it.
func (h *home) look() {
	h.Helper()
	if kept := h.log.Kept(); kept.Head > 0 {
		h.shown[kept.Newest()] = h.until(kept.Head)
		middle := kept.Floor + (kept.Head-kept.Floor)/2
		h.shown[kept.Cursor(middle)] = h.until(middle)
	}
}

func (h *home) trim(before int) {
	h.Helper()
	for h.log.Kept().Floor < social.Position(before) {
		_, err := h.log.Trim(h.ctx, social.Position(before), 100)
		h.must(err)
	}
	job := outbox.TrimJob(h.db, h.log, time.Now, 0, 1<<40)
	for more := true; more; {
		var err error
		more, err = job.Run(h.ctx)
		h.must(err)
	}
	h.kept = max(h.kept, before)
}

// resume presents every id that was ever shown. An id is good exactly if what it stood for, and all before it, is what
// stands there now, and nothing behind it is trimmed; then everything behind it is given, once.
func (h *home) resume() {
	h.Helper()
	h.must(h.relay.CatchUp(h.ctx))
	h.look()
	h.kept = max(h.kept, int(h.log.Kept().Floor)) // a log that was trimmed may stand beside an older database
	everything := social.Audience{Sources: []social.Source{{Stream: social.Stream{Kind: social.By, User: person(1)}}}}
	for id, past := range h.shown {
		seen := past.history
		same := past.site == h.site && len(seen) <= len(h.history) && slices.Equal(seen, h.history[:len(seen)])
		page, err := h.log.Read(h.ctx, everything, id, 1000)
		var gap *social.GapError
		switch {
		case errors.As(err, &gap):
			if same && len(seen) >= h.kept {
				h.Fatalf("%s stands for what it stood for, and gave %v", id, gap)
			}
			if same && gap.Reason != social.GapExpired {
				h.Fatalf("%s is trimmed, and gave %v", id, gap)
			}
		case err != nil:
			h.Fatal(err)
		case !same:
			h.Fatalf("%s stood for another event and is resumed in silence", id)
		default:
			for i, e := range page.Events {
				if want := h.history[len(seen)+i]; string(e.Data) != fmt.Sprintf("%q", want) ||
					e.Cursor != h.log.Kept().Cursor(e.Cursor.Seq) {
					h.Fatalf("after %s: %s is %s, want %s", id, e.Cursor, e.Data, want)
				}
			}
			if len(page.Events) != len(h.history)-len(seen) {
				h.Fatalf("after %s: %d events, want %d", id, len(page.Events), len(h.history)-len(seen))
			}
		}
	}
}

// saved is a copy of some files, and what was in them.
type saved struct {
	files map[string][]byte
	past
	kept int
}

// copyOf reads files of the directory while no process runs; one that is not there is nil. A database comes with the
// write-ahead log that a kill has left.
func (h *home) copyOf(names ...string) saved {
	h.Helper()
	s := saved{files: map[string][]byte{}, past: h.until(social.Position(len(h.history))), kept: h.kept}
	if slices.Contains(names, sqlite.FileName) {
		names = append([]string{sqlite.FileName + "-wal"}, names...)
	}
	for _, name := range names {
		content, err := os.ReadFile(h.path(name))
		if !errors.Is(err, fs.ErrNotExist) {
			h.must(err)
		}
		s.files[name] = content
	}
	return s
}

// online copies the database while a process runs.
func (h *home) online() saved {
	h.Helper()
	h.must(h.db.Copy(h.ctx, h.path("copy")))
	s := h.copyOf("copy")
	h.must(os.Remove(h.path("copy")))
	s.files = map[string][]byte{sqlite.FileName: s.files["copy"]}
	return s
}

// putBack replaces files by a copy.
func (h *home) putBack(s saved) {
	h.Helper()
	if content, ok := s.files[sqlite.FileName]; ok {
		h.loseDatabase()
		if content != nil {
			h.past, h.kept = s.until(social.Position(len(s.history))), s.kept
		}
	}
	for name, content := range s.files {
		if content == nil {
			_ = os.Remove(h.path(name))
			continue
		}
		h.must(os.WriteFile(h.path(name), content, 0o600))
	}
}

// loseDatabase removes the database: the next start makes another site beside the log of this one.
func (h *home) loseDatabase() {
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(h.path(sqlite.FileName + end))
	}
	h.sites++
	h.past, h.kept = past{site: h.sites}, 0
}

func newHome(t rapid.TB, dir string) *home {
	return &home{TB: t, dir: dir, ctx: context.Background(), shown: map[social.Cursor]past{}}
}

// Whatever is copied, lost and put back between runs, no id that was shown stands for another event, none that stands
// for the same is refused, and nothing is passed over (I7, I27).
func TestHistoriesModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "home")
		if err != nil {
			r.Fatal(err)
		}
		h := newHome(r, dir)
		defer func() {
			if h.db != nil {
				h.stop(false)
			}
			_ = os.RemoveAll(dir)
		}()
		var copies []saved
		both := []string{sqlite.FileName, logName}
		for range rapid.IntRange(3, 9).Draw(r, "runs") {
			h.start(rapid.IntRange(0, 4).Draw(r, "command") == 0)
			for range rapid.IntRange(0, 4).Draw(r, "acts") {
				h.write()
			}
			if rapid.IntRange(0, 3).Draw(r, "online copy") == 0 {
				copies = append(copies, h.online())
			}
			if h.log != nil {
				h.resume()
				if rapid.IntRange(0, 4).Draw(r, "trims") == 0 {
					h.trim(rapid.IntRange(0, len(h.history)).Draw(r, "trim to"))
					h.resume()
				}
				if rapid.Bool().Draw(r, "goes on") {
					h.write()
				}
			}
			h.stop(rapid.Bool().Draw(r, "killed"))
			switch rapid.IntRange(0, 7).Draw(r, "operator") {
			case 0, 1:
				names := [][]string{both, both[:1], both[1:]}[rapid.IntRange(0, 2).Draw(r, "what")]
				copies = append(copies, h.copyOf(names...))
			case 2, 3:
				if len(copies) > 0 {
					h.putBack(copies[rapid.IntRange(0, len(copies)-1).Draw(r, "copy")])
				}
			case 4:
				_ = os.Remove(h.path(logName))
			case 5:
				h.loseDatabase()
			}
		}
		h.start(false)
		h.resume()
	})
}

// The five histories of the rule, by name.
func TestHistories(t *testing.T) {
	both := []string{sqlite.FileName, logName}
	run := func(h *home, acts int) {
		h.start(false)
		for range acts {
			h.write()
		}
		h.stop(false)
	}
	for name, story := range map[string]func(h *home){
		"a copy is put back and outgrown": func(h *home) {
			run(h, 5)
			c := h.copyOf(both...)
			run(h, 2)
			h.putBack(c)
			run(h, 3)
		},
		"an online copy, twice": func(h *home) {
			run(h, 3)
			h.start(false)
			h.write()
			c := h.online()
			h.write()
			h.stop(false)
			for range 2 {
				h.putBack(c)
				run(h, 2)
			}
		},
		"two copies served in turn": func(h *home) {
			run(h, 4)
			one := h.copyOf(both...)
			run(h, 1)
			two := h.copyOf(both...)
			for range 2 {
				h.putBack(one)
				run(h, 2)
				one = h.copyOf(both...)
				h.putBack(two)
				run(h, 2)
				two = h.copyOf(both...)
			}
		},
		"a command without a server in between": func(h *home) {
			run(h, 2)
			c := h.copyOf(both...)
			h.start(true)
			h.write()
			h.stop(false)
			run(h, 0)
			h.putBack(c)
			h.start(true)
			h.write()
			h.stop(false)
			run(h, 1)
		},
		"an older log beside an outgrown database": func(h *home) {
			run(h, 3)
			database := h.copyOf(sqlite.FileName)
			run(h, 2)
			log := h.copyOf(logName)
			h.putBack(database)
			run(h, 3)
			h.putBack(log)
		},
		"the database is lost beside its log": func(h *home) {
			run(h, 3)
			c := h.copyOf(sqlite.FileName)
			h.loseDatabase()
			run(h, 4)
			h.putBack(c)
			run(h, 2)
			h.loseDatabase()
		},
		"everything trimmed, two restarts": func(h *home) {
			run(h, 4)
			h.start(false)
			h.trim(4)
			h.stop(false)
			run(h, 0)
			run(h, 0)
			run(h, 1)
			_ = os.Remove(h.path(logName))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, t.TempDir())
			story(h)
			h.start(false)
			h.resume()
			h.stop(false)
		})
	}
}
