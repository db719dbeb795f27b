package users

import (
	"context"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The bounds of what is remembered of names: about 10 MB, and what one turn of the job reads.
const (
	namesMax    = 1 << 16
	namesWanted = 4096
)

// names remembers what people are called, because every act and every list asks for it. What it says holds inside a
// transaction as well as outside, so an act may rest on it: from before a change of a person's row begins until it is
// durable or undone nothing is said of that person, and nothing that was read before the end of it is kept.
//
// What is asked for and not known is noted, and read by a job in a snapshot of its own, since nobody else knows how
// old the snapshot is that a question is asked in. Only this process changes names: the store has one writer.
//
// Safe for concurrent use.
type names struct {
	mu     sync.RWMutex
	turn   uint64 // moves when a change begins and when it ends
	held   map[social.ID]int
	known  map[social.ID]social.UserRef
	wanted map[social.ID]struct{}
}

func newNames() *names {
	return &names{held: map[social.ID]int{}, known: map[social.ID]social.UserRef{}, wanted: map[social.ID]struct{}{}}
}

// fill adds to refs whom of ids it knows, and gives the others.
func (n *names) fill(refs map[social.ID]social.UserRef, ids []social.ID) (others []social.ID) {
	n.mu.RLock()
	for _, id := range ids {
		if ref, ok := n.known[id]; ok && n.held[id] == 0 {
			refs[id] = ref
		} else {
			others = append(others, id)
		}
	}
	n.mu.RUnlock()
	if len(others) > 0 {
		n.want(others)
	}
	return others
}

func (n *names) want(ids []social.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		if len(n.wanted) == namesWanted {
			return
		}
		n.wanted[id] = struct{}{}
	}
}

// hold says that the person's row is about to change; the function it returns, that it has, or will not. That may be
// called more than once.
func (n *names) hold(id social.ID) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.turn++
	n.held[id]++
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.turn++
		delete(n.known, id)
		if n.held[id]--; n.held[id] == 0 {
			delete(n.held, id)
		}
	})
}

// take gives whom to read, and the turn to put the answer under.
func (n *names) take() (ids []social.ID, turn uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.wanted {
		ids = append(ids, id)
	}
	clear(n.wanted)
	return ids, n.turn
}

// learn keeps an answer, unless somebody has changed since turn: they are asked for again then.
func (n *names) learn(refs map[social.ID]social.UserRef, turn uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if turn != n.turn {
		return
	}
	for id, ref := range refs {
		if len(n.known) >= namesMax {
			for old := range n.known { // any: the order of a map is random
				delete(n.known, old)
				if len(n.known) < namesMax*7/8 {
					break
				}
			}
		}
		n.known[id] = ref
	}
}

// learnNames is the job that reads the names that were asked for.
func (s *Service) learnNames(ctx context.Context) (more bool, err error) {
	ids, turn := s.names.take()
	if len(ids) == 0 {
		return false, nil
	}
	refs := make(map[social.ID]social.UserRef, len(ids))
	err = s.db.Read(ctx, func(q storage.Querier) error { return readRefs(ctx, q, refs, ids) })
	if err != nil {
		return false, wrap(err, "users: names of %d people", len(ids))
	}
	s.names.learn(refs, turn)
	return false, nil
}
