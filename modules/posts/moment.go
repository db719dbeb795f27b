package posts

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// changes tells whether what is kept in memory of posts was true at a moment, so that a timeline can be answered
// without the store. It counts turns: each change of something begins with one, before it can be seen by anybody,
// and ends with one, when it is durable or undone. What was read from a snapshot that began at turn a or later was
// true at turn b as well if nothing changed behind the earlier of the two and nothing changes now: see still.
//
// Only this process changes posts: the store has one writer. A change is noted by the statement that makes it (see
// changing), not by its caller.
//
// Things are told apart by a hash. Two that share a place take each other for changed, which costs a look into the
// store and is right. Safe for concurrent use.
type changes struct {
	mu     sync.RWMutex
	turn   uint64
	places [changePlaces]changePlace
}

type changePlace struct {
	turn  uint64 // of the last beginning or end of a change
	under int32  // changes that have begun and not ended
}

const changePlaces = 1 << 14

// thing is what changes: a post with its counts and likes, or what a person has in timelines, by writing and by
// being addressed.
type thing uint32

func postThing(key int64) thing { return thing(uint64(key) % changePlaces) }

func personThing(id social.ID) thing { // the end of an id is random
	return thing(binary.BigEndian.Uint64(id[8:]) % changePlaces)
}

// now is the turn at hand; 0 is before the first.
func (c *changes) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.turn + 1
}

// still reports that things which were read from the store since turn did not change behind it, and do not now.
// Ask it after what was read was taken from memory.
func (c *changes) still(turn uint64, things ...thing) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, t := range things {
		if p := &c.places[t]; p.under != 0 || p.turn > turn {
			return false
		}
	}
	return true
}

func (c *changes) begin(t thing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	c.places[t].turn = c.turn + 1
	c.places[t].under++
}

func (c *changes) end(things []thing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for _, t := range things {
		c.places[t].turn = c.turn + 1
		c.places[t].under--
	}
}

// changing is a transaction that notes what it changes of what is kept in memory.
type changing struct {
	storage.Tx
	changes *changes
	things  []thing
}

// post notes a change of a post's row or likes, before the statement.
func (c *changing) post(key int64) { c.note(postThing(key)) }

// people notes, before the statement, a change of what these people have in timelines.
func (c *changing) people(ids ...social.ID) {
	for _, id := range ids {
		c.note(personThing(id))
	}
}

func (c *changing) note(t thing) {
	c.changes.begin(t)
	c.things = append(c.things, t)
}

// inTx is the store's InTx for everything that changes posts.
func (s *Service) inTx(ctx context.Context, fn func(tx *changing) error) error {
	c := &changing{changes: &s.changes}
	defer func() { c.changes.end(c.things) }()
	return s.db.InTx(ctx, func(tx storage.Tx) error {
		c.Tx = tx
		return fn(c)
	})
}
