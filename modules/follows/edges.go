package follows

import (
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// edges keeps what people follow, for readers of timelines. An entry is good as long as the mark read in the
// reader's own snapshot is the one it was loaded with, so nothing has to be told to it.
//
// Whoever does not want to open a snapshot asks by turn: an entry is also good while it is known that nothing has
// changed since it was read. From before a change of somebody's follows begins until it is durable or undone nothing
// is said of that person so, and nothing that was read before the end of it is. Only this process changes follows:
// the store has one writer. The end of an account begins in another module's transaction, of whose end nobody tells:
// from then on nothing is said of anybody, until a later transaction has seen how it went (see endFollows).
//
// Safe for concurrent use. The zero value keeps nothing.
type edges struct {
	limit int // follows in all entries

	mu      sync.RWMutex
	size    int
	list    map[social.ID]kept
	turn    uint64 // moves when a change begins and when it ends
	held    map[social.ID]int
	endings int  // ends of accounts that began
	seen    int  // as many of them have been seen by a later transaction
	quiet   bool // nobody is on the way out
}

type kept struct {
	changed int64
	turn    uint64 // true from it on; 0 = that is not known
	follows []social.FollowEdge
}

// now is the turn at hand; 0 is before the first.
func (e *edges) now() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.turn + 1
}

// at gives what follower follows if it was so at a turn, and is.
func (e *edges) at(follower social.ID, turn uint64) ([]social.FollowEdge, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	k := e.list[follower]
	return k.follows, e.quiet && k.turn != 0 && k.turn <= turn
}

// hold says that what these people follow is about to change; the function it returns, that it has, or will not.
func (e *edges) hold(people ...social.ID) (release func()) {
	e.move(people, +1)
	return func() { e.move(people, -1) }
}

func (e *edges) move(people []social.ID, by int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.turn++
	for _, id := range people {
		if k, ok := e.list[id]; ok {
			k.turn = 0
			e.list[id] = k
		}
		if e.held == nil {
			e.held = map[social.ID]int{}
		}
		if e.held[id] += by; e.held[id] == 0 {
			delete(e.held, id)
		}
	}
}

// end says that an account is about to end.
func (e *edges) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endings++
	e.quiet = false
}

// unseen gives the number of ends that began; false if all of them have been seen.
func (e *edges) unseen() (endings int, some bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.endings, e.endings != e.seen
}

// see says that a transaction behind that many ends found nobody on the way out.
func (e *edges) see(endings int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = max(e.seen, endings)
}

func (e *edges) get(follower social.ID, changed int64) ([]social.FollowEdge, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	k, ok := e.list[follower]
	return k.follows, ok && k.changed == changed
}

// learn notes that an entry was read in a snapshot that began at a turn or later and had nobody on the way out.
func (e *edges) learn(follower social.ID, changed int64, turn uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if turn != e.turn+1 || e.held[follower] != 0 || e.endings != e.seen {
		return
	}
	e.quiet = true
	if k, ok := e.list[follower]; ok && k.changed == changed && k.turn == 0 {
		k.turn = turn
		e.list[follower] = k
	}
}

func (e *edges) put(follower social.ID, changed int64, follows []social.FollowEdge) {
	if len(follows)+1 > e.limit {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old, ok := e.list[follower]; ok {
		if old.changed > changed {
			return // loaded from an older snapshot than the one that is here
		}
		e.size -= len(old.follows) + 1
		delete(e.list, follower)
	}
	for other, k := range e.list {
		if e.size+len(follows)+1 <= e.limit {
			break
		}
		e.size -= len(k.follows) + 1 // any one: the order of a map is random
		delete(e.list, other)
	}
	if e.list == nil {
		e.list = map[social.ID]kept{}
	}
	e.list[follower] = kept{changed: changed, follows: follows}
	e.size += len(follows) + 1
}
