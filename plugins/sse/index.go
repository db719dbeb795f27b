package sse

import (
	"maps"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// index tells who among the people it knows reads a stream. The hub's goroutine owns it. A post costs the readers
// of its author who are here, and nothing for followers who are not.
//
// # Layout
//
// People and authors stand in tables and are named by their place, 4 bytes instead of 16. An edge is two words,
// one on each side: the author's place in person.follows and the person's place in author.readers, each with the
// bell in its lowest bit and each list sorted, so that it is found by halving and taken out by one move of
// memory. That is 8 bytes an edge; a place of each side in the other's list would make taking out independent of
// the list's length, for 4 more.
//
// Since, the position above which the person may see the stream, is kept apart and only where it can still matter
// (person.from): hardly anybody comes back to a place before one of their follows.
//
// # Invariants
//
//   - a in p.follows if and only if p in a.readers, with the same bell. The own by: stream is the exception: it
//     is found by the person's id and stands under the place own in p.follows only.
//   - An author stands in the table while somebody known reads them or a frame of the tail names them, and then
//     under one place.
//   - An edge that is not in p.sinces has a since at or below p.from. So above p.from everything is known, and
//     nothing at or below it may be judged before the audience is asked again (hub.reaches).
type index struct {
	people  map[social.ID]*person // who is here, or was a moment ago
	places  []*person             // by person.place; nil = free
	free    []uint32              // free places of people
	authors authors
	edges   []uint32 // scratch of install
}

// edge is a place and a bell in one word.
type edge = uint32

func edgeOf(place uint32, bell bool) edge {
	if bell {
		return place<<1 | 1
	}
	return place << 1
}

// Places of authors that stand for the person's own streams. Nobody else has them.
const (
	ownTo uint32 = iota
	own
	firstAuthor
)

// since is where one edge begins.
type since struct {
	author uint32
	at     social.Position
}

func newIndex() index {
	return index{people: map[social.ID]*person{}, authors: newAuthors()}
}

// enter gives a person a place.
func (x *index) enter(p *person) {
	x.people[p.id] = p
	if n := len(x.free); n > 0 {
		p.place, x.free = x.free[n-1], x.free[:n-1]
		x.places[p.place] = p
		return
	}
	p.place = uint32(len(x.places))
	x.places = append(x.places, p)
}

// leave takes a person out of every stream and out of the index.
func (x *index) leave(p *person) {
	x.clear(p)
	delete(x.people, p.id)
	x.places[p.place] = nil
	x.free = append(x.free, p.place)
}

// install replaces everything a person reads. Positions above from will be asked for, and none below.
func (x *index) install(p *person, a social.Audience, from social.Position) {
	x.clear(p)
	p.from, p.hidden = from, nil
	if len(a.Hidden) > 0 {
		p.hidden = maps.Clone(a.Hidden)
	}
	x.edges = x.edges[:0]
	for _, s := range a.Sources {
		place := ownTo
		if s.Stream.Kind == social.By {
			place = own
			if s.Stream.User != p.id {
				place = x.authors.enter(s.Stream.User)
			}
		} else if s.Stream.User != p.id {
			continue
		}
		if place != ownTo {
			x.edges = append(x.edges, edgeOf(place, s.Bell))
		}
		if s.Since > from {
			p.sinces = append(p.sinces, since{place, s.Since})
		}
	}
	slices.SortFunc(p.sinces, func(a, b since) int { return int(a.author) - int(b.author) })
	slices.Sort(x.edges)
	x.edges = slices.CompactFunc(x.edges, func(a, b edge) bool { return a>>1 == b>>1 })
	p.follows = slices.Clip(append(make([]edge, 0, len(x.edges)), x.edges...))
	for _, e := range p.follows {
		x.link(p, e)
	}
}

// relate sets what one relation of a person is now.
func (x *index) relate(p *person, other social.ID, source social.Source, follows, hidden bool) {
	if _, was := p.hidden[other]; was != hidden {
		p.hidden = maps.Clone(p.hidden) // a catch-up worker may be reading the old one
		if hidden {
			if p.hidden == nil {
				p.hidden = map[social.ID]struct{}{}
			}
			p.hidden[other] = struct{}{}
		} else {
			delete(p.hidden, other)
		}
	}
	place := own
	switch {
	case other == p.id:
	case follows:
		place = x.authors.enter(other)
	default:
		if place = x.authors.find(other); place == 0 {
			return // nobody reads them, neither does this person
		}
	}
	i, found := search(p.follows, place)
	e := edgeOf(place, source.Bell)
	switch {
	case follows && found:
		p.follows[i] = e
		x.link(p, e)
	case follows:
		p.follows = slices.Insert(p.follows, i, e)
		x.link(p, e)
	case found:
		p.follows = slices.Delete(p.follows, i, i+1)
		x.unlink(p, e)
	}
	p.begin(place, source.Since)
}

// clear takes a person out of every by: stream.
func (x *index) clear(p *person) {
	for _, e := range p.follows {
		x.unlink(p, e)
	}
	p.follows, p.sinces = nil, nil
}

func (x *index) link(p *person, e edge) {
	if place := e >> 1; place != own {
		x.authors.link(place, edgeOf(p.place, e&1 == 1))
	}
}

func (x *index) unlink(p *person, e edge) {
	if place := e >> 1; place != own {
		x.authors.unlink(place, p.place)
	}
}

// search gives the place of a table place among sorted edges, or where it would stand.
func search(edges []edge, place uint32) (int, bool) {
	low, high := 0, len(edges)
	for low < high {
		if mid := int(uint(low+high) >> 1); edges[mid]>>1 < place {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(edges) && edges[low]>>1 == place
}

// begin notes since when a stream may be seen, if that can still matter; 0 takes the note back.
func (p *person) begin(author uint32, at social.Position) {
	i, found := slices.BinarySearchFunc(p.sinces, author, func(s since, author uint32) int { return int(s.author) - int(author) })
	switch {
	case found && at <= p.from:
		p.sinces = slices.Delete(p.sinces, i, i+1)
	case found:
		p.sinces[i].at = at
	case at > p.from:
		p.sinces = slices.Insert(p.sinces, i, since{author, at})
	}
}

// since gives the position above which a stream may be seen; what it does not know is at or below from.
func (p *person) since(author uint32) social.Position {
	if len(p.sinces) == 0 {
		return 0
	}
	i, found := slices.BinarySearchFunc(p.sinces, author, func(s since, author uint32) int { return int(s.author) - int(author) })
	if !found {
		return 0
	}
	return p.sinces[i].at
}

// audience is what the person reads in one mode, for a read of the log after p.from.
func (x *index) audience(p *person, mode mode, sources []social.Source) social.Audience {
	a := social.Audience{Person: p.id, Hidden: p.hidden}
	a.Sources = append(sources[:0], social.Source{Stream: social.Stream{Kind: social.To, User: p.id}, Since: p.since(ownTo)})
	for _, e := range p.follows {
		place, bell := e>>1, e&1 == 1
		if !mode.takes(bell) {
			continue
		}
		user := p.id
		if place != own {
			user = x.authors.table[place].id
		}
		a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: user}, Since: p.since(place), Bell: bell})
	}
	return a
}

// edge gives the edge by which a person reads a frame's stream; ok is false when they do not. The edge of the own
// to: stream is 0.
func (p *person) edge(f *frame) (e edge, ok bool) {
	switch mine := f.stream.User == p.id; {
	case f.stream.Kind == social.To:
		return edgeOf(ownTo, false), mine
	case mine:
		i, found := search(p.follows, own)
		return edgeOf(own, found && p.follows[i]&1 == 1), found
	}
	i, found := search(p.follows, f.author)
	if !found {
		return 0, false
	}
	return p.follows[i], true
}

// allows reports whether a frame that the person reads by an edge is shown in one mode.
func (p *person) allows(f *frame, e edge, mode mode) bool {
	if e>>1 != ownTo && !mode.takes(e&1 == 1) {
		return false
	}
	return f.pos > p.since(e>>1) && !p.hides(f)
}

// hides reports whether a frame names somebody hidden from the person.
func (p *person) hides(f *frame) bool {
	return len(p.hidden) > 0 && slices.ContainsFunc(f.about, func(id social.ID) bool { _, ok := p.hidden[id]; return ok })
}
