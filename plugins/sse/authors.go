package sse

import (
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// authors is the table of those whose by: streams are read by somebody or named by a frame of the tail. The
// hub's goroutine owns it.
type authors struct {
	places map[social.ID]uint32
	table  []author
	free   []uint32
	chains map[uint32]chain // of those whose frames are in the tail
}

// author is one of them: who, and the people who read them, sorted.
type author struct {
	id      social.ID
	readers []edge
}

func newAuthors() authors {
	return authors{places: map[social.ID]uint32{}, table: make([]author, firstAuthor), chains: map[uint32]chain{}}
}

// find gives the place of an author; 0 = nobody known reads them and no frame names them.
func (t *authors) find(id social.ID) uint32 { return t.places[id] }

// enter gives an author a place. A reader or a frame has to follow, or the place is lost.
func (t *authors) enter(id social.ID) uint32 {
	if place, ok := t.places[id]; ok {
		return place
	}
	if n := len(t.free); n > 0 {
		place := t.free[n-1]
		t.free = t.free[:n-1]
		t.table[place].id, t.places[id] = id, place
		return place
	}
	place := uint32(len(t.table))
	t.table, t.places[id] = append(t.table, author{id: id}), place
	return place
}

// link adds a reader, or changes the bell of one. Lists grow by an eighth: most are short, and there are as many as authors.
func (t *authors) link(place uint32, reader edge) {
	a := &t.table[place]
	i, found := len(a.readers), false
	if i > 0 && a.readers[i-1]>>1 >= reader>>1 { // who is new stands at the end
		i, found = search(a.readers, reader>>1)
	}
	if found {
		a.readers[i] = reader
		return
	}
	if n := len(a.readers); n == cap(a.readers) {
		a.readers = append(make([]edge, 0, n+n/8+1), a.readers...)
	}
	a.readers = slices.Insert(a.readers, i, reader)
}

// unlink takes a reader out, and the author after the last one.
func (t *authors) unlink(place, person uint32) {
	a := &t.table[place]
	i, found := search(a.readers, person)
	if !found {
		return
	}
	a.readers = slices.Delete(a.readers, i, i+1)
	if n := len(a.readers); n > 0 && n < cap(a.readers)/2 {
		a.readers = append(make([]edge, 0, n), a.readers...)
	}
	t.drop(place)
}

// drop frees a place that nobody needs any more.
func (t *authors) drop(place uint32) {
	a := &t.table[place]
	if _, named := t.chains[place]; named || len(a.readers) > 0 {
		return
	}
	delete(t.places, a.id)
	*a = author{}
	t.free = append(t.free, place)
}
