package posts

import (
	"context"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The bounds of what is kept of posts for named people: most have few, and about 10 MB.
const (
	addressedMax    = 16
	addressedPeople = 1 << 16
)

// addressed keeps, of people who have few, the top-level posts for named people only that they wrote or are named in,
// as of a turn of changes. Safe for concurrent use; lists are immutable.
type addressed struct {
	mu   sync.RWMutex
	list map[social.ID]addressedOf
}

type addressedOf struct {
	posts []change // falling, all of them
	turn  uint64
}

// still gives a person's list as it was at a turn and is now; false if that is not known.
func (a *addressed) still(changes *changes, turn uint64, person social.ID) ([]change, bool) {
	a.mu.RLock()
	have := a.list[person]
	a.mu.RUnlock()
	turn = min(turn, have.turn)
	return have.posts, turn != 0 && changes.still(turn, personThing(person))
}

// learn reads a person's list in a snapshot that began at turn or later.
func (a *addressed) learn(ctx context.Context, q storage.Querier, person social.ID, turn uint64) error {
	list, err := keysAndAuthors(ctx, q, addressedBelow, person, bounds(social.Window{}), addressedMax+1)
	if err != nil || len(list) > addressedMax {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list == nil {
		a.list = map[social.ID]addressedOf{}
	}
	if len(a.list) >= addressedPeople {
		for other := range a.list { // any one: the order of a map is random
			delete(a.list, other)
			break
		}
	}
	if a.list[person].turn < turn {
		a.list[person] = addressedOf{list, turn}
	}
	return nil
}

// within gives the keys of a window among posts of the sources' authors.
func within(posts []change, sources []source, w social.Window) []int64 {
	var out []int64
	bound := bounds(w)
	for _, p := range posts {
		if p.key != bound && (p.key > bound) == w.Rising && slices.ContainsFunc(sources, func(s source) bool { return s.author == p.author }) {
			out = append(out, p.key)
		}
	}
	if w.Rising {
		slices.Reverse(out)
	}
	return out[:min(len(out), w.Limit)]
}
