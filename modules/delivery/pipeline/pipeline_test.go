package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// mortalDB is the store of a process that can die: after kill nothing more is written, and what was about to be is
// undone.
type mortalDB struct {
	storage.DB
	mu   sync.Mutex
	dead bool
	left int // transactions until it dies; below 0 = it does not
}

var errDead = errors.New("the process is dead")

func (m *mortalDB) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	m.mu.Lock()
	if m.left--; m.left == 0 {
		m.dead = true
	}
	dead := m.dead
	m.mu.Unlock()
	if dead {
		return errDead
	}
	return m.DB.InTx(ctx, fn)
}

func (m *mortalDB) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

// P18, small form: deliveries with failures injected, and the process killed again and again in the middle, also
// within intake, fan-out and recording. Each delivery is taken or dead in the end, with one id on all attempts, and
// nothing is missing.
func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		luck := rand.New(rand.NewPCG(seed, 1))
		t.Logf("seed %d", seed)
		w := newWorld(t)
		author := social.NewID()
		const people, rounds = 210, 6 // more than one page of endpoints
		var p postman
		var mu sync.Mutex
		answers := rand.New(rand.NewPCG(seed, 2)) // of the channel's goroutines
		p.answers(func(d plugins.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			switch n := answers.IntN(100); {
			case n < 25:
				return failure{"http_status", 500}
			case n < 28:
				return plugins.Permanent(failure{"http_status", 400})
			case n < 29:
				panic("at random")
			case n < 30:
				return plugins.RetryAfter(failure{"http_status", 429}, time.Minute)
			}
			return nil
		})
		cfg := pipeline.DefaultConfig()
		cfg.Schedule = cfg.Schedule[:4]
		cfg.BreakerFailures = 1000

		s := w.service(cfg, named{"hook", p.channel()})
		owners := make([]social.ID, people)
		endpoints := make([]social.ID, people)
		for i := range owners {
			owners[i] = social.NewID()
			w.people.follow(owners[i], author, 0, true)
			endpoints[i] = w.endpoint(s, owners[i]).ID
		}
		var wantEach int
		for range rounds {
			db := &mortalDB{DB: w.fix.DB, left: 20 + luck.IntN(150)}
			s := w.serviceOn(db, cfg, named{"hook", p.channel()})
			if err := s.Start(t.Context()); err != nil {
				t.Fatalf("start: %v", err)
			}
			e, _ := w.post(author)
			w.append(e)
			var list []storage.Entry
			for _, owner := range owners {
				n, _ := w.notification(owner, "like")
				list = append(list, n)
			}
			w.append(list...)
			wantEach += 2
			time.Sleep(time.Duration(luck.IntN(2000)) * time.Millisecond)
			db.kill()
			w.stop(s)
			time.Sleep(time.Second)
		}
		last := w.start(w.service(cfg, named{"hook", p.channel()}))
		time.Sleep(24 * time.Hour)

		ids := map[social.ID]string{} // delivery -> event
		attempts := map[social.ID]int{}
		for _, a := range p.all() {
			if before, ok := ids[a.d.ID]; ok && before != *a.event.ID {
				t.Fatalf("delivery %s was sent with %s and %s", a.d.ID, before, *a.event.ID)
			}
			ids[a.d.ID] = *a.event.ID
			attempts[a.d.ID]++
		}
		var dead, failed int
		for i, owner := range owners {
			list := w.deliveries(last, owner, endpoints[i])
			seen := map[string]bool{}
			for _, d := range list {
				if d.State != "succeeded" && d.State != "dead" {
					t.Errorf("a delivery is %s in the end: %+v", d.State, d)
				}
				if d.State == "dead" {
					dead++
				}
				if seen[*d.EventID] || ids[d.ID] != *d.EventID || len(d.Attempts) > attempts[d.ID] {
					t.Errorf("delivery %s of %s was sent %d times with %s, and has %d attempts", d.ID, *d.EventID, attempts[d.ID],
						ids[d.ID], len(d.Attempts))
				}
				seen[*d.EventID] = true
				failed += len(d.Attempts) - 1
			}
			if len(list) != wantEach {
				t.Errorf("person %d has %d deliveries, want %d: one for each event", i, len(list), wantEach)
			}
		}
		if dead == 0 || failed == 0 {
			t.Errorf("%d dead, %d failed attempts: nothing was put to the test", dead, failed)
		}
	})
}
