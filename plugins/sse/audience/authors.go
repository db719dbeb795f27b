package audience

import (
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// edge is a place and a bell in one word.
type edge uint32

// Edge is the way by which a person reads a stream.
type Edge = edge

func edgeOf(place uint32, bell bool) edge {
	if bell {
		return edge(place<<1 | 1)
	}
	return edge(place << 1)
}

func (e edge) place() uint32 { return uint32(e >> 1) }
func (e edge) bell() bool    { return e&1 == 1 }

// search gives the index of a place among sorted edges, or where it would stand.
func search(edges []edge, place uint32) (int, bool) {
	i, _ := slices.BinarySearch(edges, edgeOf(place, false))
	return i, i < len(edges) && edges[i].place() == place
}

// Places of authors that stand for the person's own streams. Nobody else has them.
const (
	ownTo uint32 = iota
	own
	firstAuthor
)

// authors is the table of those whose by: streams a known person reads.
type authors struct {
	places map[social.ID]uint32
	table  []author
	free   []uint32
}

// author is one of them: who, and the people who read them, sorted.
type author struct {
	id      social.ID
	readers []edge
	ended   social.Position // of user.deleted, which every mode shows, and what is behind it; 0 = not known
}

func newAuthors() authors {
	return authors{places: map[social.ID]uint32{}, table: make([]author, firstAuthor)}
}

// enter gives the author of a source a place, and notes whether the account has ended. A reader has to follow, or the
// place is lost.
func (t *authors) enter(id social.ID, s social.Source) uint32 {
	var ended social.Position
	if s.Ended {
		ended = s.Since + 1
	}
	place, ok := t.places[id]
	if ok {
		t.table[place].ended = max(t.table[place].ended, ended)
		return place
	}
	if n := len(t.free); n > 0 {
		place, t.free = t.free[n-1], t.free[:n-1]
	} else {
		place = uint32(len(t.table)) //nolint:gosec // authors in memory
		t.table = append(t.table, author{})
	}
	t.table[place] = author{id: id, ended: ended}
	t.places[id] = place
	return place
}

// link adds a person to the readers of an author, or changes the bell. Lists grow by an eighth: most are short, and
// there are as many as authors.
func (t *authors) link(p *Person, e edge) {
	if e.place() == own {
		return
	}
	a, reader := &t.table[e.place()], edgeOf(p.place, e.bell())
	i, found := search(a.readers, p.place)
	if found {
		a.readers[i] = reader
		return
	}
	if n := len(a.readers); n == cap(a.readers) {
		a.readers = append(make([]edge, 0, n+n/8+1), a.readers...)
	}
	a.readers = slices.Insert(a.readers, i, reader)
}

// unlink takes a person out of the readers of an author, and the author out of the table after the last one.
func (t *authors) unlink(p *Person, e edge) {
	if e.place() == own {
		return
	}
	a := &t.table[e.place()]
	i, found := search(a.readers, p.place)
	if !found {
		return
	}
	a.readers = slices.Delete(a.readers, i, i+1)
	switch n := len(a.readers); {
	case n == 0:
		delete(t.places, a.id)
		*a = author{}
		t.free = append(t.free, e.place())
	case n < cap(a.readers)/2:
		a.readers = slices.Clone(a.readers)
	}
}

// clear takes a person out of every by: stream.
func (t *authors) clear(p *Person) {
	for _, e := range p.follows {
		t.unlink(p, e)
	}
	p.follows, p.sinces = nil, nil
}

// takes reports whether a mode shows what is read by an edge.
func (t *authors) takes(m Mode, e edge) bool {
	return e.place() == ownTo || m == All || (e.bell() && m == Notify)
}

// end reports whether a position is at or behind the end of the account that is read by an edge.
func (t *authors) end(e edge, at social.Position) bool {
	ended := t.table[e.place()].ended
	return ended > 0 && at >= ended
}

// stream is what a person reads by an edge.
func (t *authors) stream(p *Person, e edge) social.Stream {
	if e.place() == own {
		return social.Stream{Kind: social.By, User: p.ID}
	}
	return social.Stream{Kind: social.By, User: t.table[e.place()].id}
}

// edge gives the edge by which a person reads a stream; ok is false when they do not.
func (t *authors) edge(p *Person, s social.Stream) (e edge, ok bool) {
	place := own
	switch mine := s.User == p.ID; {
	case s.Kind == social.To:
		return edgeOf(ownTo, false), mine
	case !mine:
		place = t.places[s.User] // 0 stands in no list of follows
	}
	i, found := search(p.follows, place)
	if !found {
		return 0, false
	}
	return p.follows[i], true
}
