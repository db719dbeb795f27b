package audience

import (
	"iter"
	"maps"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// Member is what the owner of an index keeps of a person: a struct that embeds Person.
type Member interface {
	base() *Person
}

// Index knows people and what they read.
type Index[M Member] struct {
	people  map[social.ID]M
	places  []M      // by Person.place; zero = free
	free    []uint32 // places
	authors authors
	edges   []edge // scratch of Install
}

func New[M Member]() *Index[M] {
	return &Index[M]{people: map[social.ID]M{}, authors: newAuthors()}
}

// Find gives a person the index knows, or zero.
func (x *Index[M]) Find(id social.ID) M { return x.people[id] }

func (x *Index[M]) All() iter.Seq[M] { return maps.Values(x.people) }

// Enter adds a person, who reads nothing yet.
func (x *Index[M]) Enter(m M) {
	p := m.base()
	x.people[p.ID] = m
	if n := len(x.free); n > 0 {
		p.place, x.free = x.free[n-1], x.free[:n-1]
		x.places[p.place] = m
		return
	}
	p.place = uint32(len(x.places)) //nolint:gosec // people in memory
	x.places = append(x.places, m)
}

// Leave takes a person out of every stream and out of the index.
func (x *Index[M]) Leave(m M) {
	p := m.base()
	x.authors.clear(p)
	delete(x.people, p.ID)
	var none M
	x.places[p.place] = none
	x.free = append(x.free, p.place)
}

// Install replaces everything a person reads. Positions above from will be asked for, and none below.
func (x *Index[M]) Install(m M, a social.Audience, from social.Position) {
	p := m.base()
	x.authors.clear(p)
	p.From, p.hidden = from, nil
	if len(a.Hidden) > 0 {
		p.hidden = maps.Clone(a.Hidden)
	}
	x.edges = x.edges[:0]
	for _, s := range a.Sources {
		place := own
		switch mine := s.Stream.User == p.ID; {
		case s.Stream.Kind == social.To && !mine:
			continue
		case s.Stream.Kind == social.To:
			place = ownTo
		case !mine:
			place = x.authors.enter(s.Stream.User, s)
		}
		if place != ownTo {
			x.edges = append(x.edges, edgeOf(place, s.Bell))
		}
		if s.Since > from {
			p.sinces = append(p.sinces, since{place, s.Since})
		}
	}
	slices.SortFunc(p.sinces, func(a, b since) int { return byAuthor(a, b.author) })
	slices.Sort(x.edges)
	x.edges = slices.CompactFunc(x.edges, func(a, b edge) bool { return a.place() == b.place() })
	p.follows = append(make([]edge, 0, len(x.edges)), x.edges...)
	for _, e := range p.follows {
		x.authors.link(p, e)
	}
}

// Relate sets what one relation of a person is now.
func (x *Index[M]) Relate(m M, other social.ID, source social.Source, follows, hidden bool) {
	p := m.base()
	p.hide(other, hidden)
	place := own
	switch {
	case other == p.ID:
	case follows:
		place = x.authors.enter(other, source)
	default:
		if place = x.authors.places[other]; place == 0 {
			return // nobody reads them, neither does this person
		}
	}
	i, found := search(p.follows, place)
	e := edgeOf(place, source.Bell)
	switch {
	case follows && found:
		p.follows[i] = e
		x.authors.link(p, e)
	case follows:
		p.follows = slices.Insert(p.follows, i, e)
		x.authors.link(p, e)
	case found:
		p.follows = slices.Delete(p.follows, i, i+1)
		x.authors.unlink(p, e)
	}
	p.begin(place, source.Since)
}

// Readers gives those who read a stream, each with their edge to it. The index must not be changed meanwhile.
func (x *Index[M]) Readers(s social.Stream) iter.Seq2[M, Edge] {
	return func(yield func(M, Edge) bool) {
		if m, ok := x.people[s.User]; ok {
			if e, reads := x.authors.edge(m.base(), s); reads && !yield(m, e) {
				return
			}
		}
		if s.Kind != social.By {
			return
		}
		place := x.authors.places[s.User]
		for _, r := range x.authors.table[place].readers {
			if !yield(x.places[r.place()], edgeOf(place, r.bell())) {
				return
			}
		}
	}
}

// Audience is what a person reads in one mode, for a read of the log after Person.From. sources is used again.
func (x *Index[M]) Audience(m M, mode Mode, sources []social.Source) social.Audience {
	p := m.base()
	to := social.Source{Stream: social.Stream{Kind: social.To, User: p.ID}, Since: p.since(ownTo)}
	a := social.Audience{Person: p.ID, Hidden: p.hidden, Sources: append(sources[:0], to)}
	for _, e := range p.follows {
		since, ended := p.since(e.place()), x.authors.table[e.place()].ended
		if !x.authors.takes(mode, e) {
			if ended == 0 {
				continue
			}
			since = max(since, ended-1)
		}
		a.Sources = append(a.Sources, social.Source{Stream: x.authors.stream(p, e), Since: since, Bell: e.bell()})
	}
	return a
}

// End notes that the account of an author has ended, with the event at a position: every mode shows it.
func (x *Index[M]) End(author social.ID, at social.Position) {
	if place, ok := x.authors.places[author]; ok {
		x.authors.table[place].ended = at
	}
}

// Allows reports whether an event that a person reads by an edge is shown in one mode.
func (x *Index[M]) Allows(m M, e Edge, mode Mode, at social.Position, about []social.ID) bool {
	return (x.authors.takes(mode, e) || x.authors.end(e, at)) && m.base().sees(e, at, about)
}

// Judge begins to judge a row of events for a person in one mode.
func (x *Index[M]) Judge(m M, mode Mode) Judge {
	return Judge{authors: &x.authors, person: m.base(), mode: mode}
}

// Size is how many people the index knows, and how many authors they read.
func (x *Index[M]) Size() (people, authors int) { return len(x.people), len(x.authors.places) }
