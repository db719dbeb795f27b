package follows

import (
	"sync"

	"github.com/belfry-social/belfry/modules"
)

// edges keeps what people follow, for readers of timelines. An entry is good as long as the mark read in the
// reader's own snapshot is the one it was loaded with, so nothing has to be told to it. The zero value keeps
// nothing.
type edges struct {
	limit int // follows in all entries

	mu   sync.RWMutex
	size int
	list map[modules.ID]kept
}

type kept struct {
	changed int64
	follows []modules.FollowEdge
}

func (e *edges) get(follower modules.ID, changed int64) ([]modules.FollowEdge, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	k, ok := e.list[follower]
	return k.follows, ok && k.changed == changed
}

func (e *edges) put(follower modules.ID, changed int64, follows []modules.FollowEdge) {
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
		e.list = map[modules.ID]kept{}
	}
	e.list[follower] = kept{changed, follows}
	e.size += len(follows) + 1
}
