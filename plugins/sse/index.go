package sse

import (
	"slices"

	"github.com/belfry-social/belfry/modules"
)

// index tells who among the connected reads a stream. The hub's goroutine owns it. A post costs the connected
// readers of its author, and nothing for followers who are not here.
type index struct {
	people  map[modules.ID]*person   // connected people; each reads their own to: stream
	readers map[modules.ID][]*person // by: streams, by author; swap-removed by edge.place
}

// edge is one by: stream a person reads, the person's side of it.
type edge struct {
	author modules.ID
	since  modules.Position // what stands at or below it is not shown
	place  uint32           // where the person stands in readers[author]
	bell   bool
}

func newIndex() index {
	return index{people: map[modules.ID]*person{}, readers: map[modules.ID][]*person{}}
}

// install replaces everything a person reads.
func (x *index) install(p *person, a modules.Audience) {
	x.clear(p)
	p.hidden, p.edges = map[modules.ID]struct{}{}, make([]edge, 0, len(a.Sources))
	for id := range a.Hidden {
		p.hidden[id] = struct{}{}
	}
	for _, s := range a.Sources {
		if s.Stream.Kind == modules.By {
			p.edges = append(p.edges, edge{author: s.Stream.User, since: s.Since, bell: s.Bell})
		} else if s.Stream.User == p.id {
			p.since = s.Since
		}
	}
	slices.SortFunc(p.edges, func(a, b edge) int { return a.author.Compare(b.author) })
	p.edges = slices.CompactFunc(p.edges, func(a, b edge) bool { return a.author == b.author })
	for i := range p.edges {
		x.link(p, &p.edges[i])
	}
}

// relate sets what one relation of a person is now.
func (x *index) relate(p *person, other modules.ID, source modules.Source, follows, hidden bool) {
	if hidden {
		p.hidden[other] = struct{}{}
	} else {
		delete(p.hidden, other)
	}
	i, found := p.find(other)
	switch {
	case follows && found:
		p.edges[i].since, p.edges[i].bell = source.Since, source.Bell
	case follows:
		p.edges = slices.Insert(p.edges, i, edge{author: other, since: source.Since, bell: source.Bell})
		x.link(p, &p.edges[i])
	case found:
		x.unlink(&p.edges[i])
		p.edges = slices.Delete(p.edges, i, i+1)
	}
}

// clear takes a person out of every by: stream.
func (x *index) clear(p *person) {
	for i := range p.edges {
		x.unlink(&p.edges[i])
	}
	p.edges = nil
}

func (x *index) link(p *person, e *edge) {
	list := x.readers[e.author]
	e.place = uint32(len(list))
	x.readers[e.author] = append(list, p)
}

// unlink moves the last reader into the free place.
func (x *index) unlink(e *edge) {
	list := x.readers[e.author]
	last := len(list) - 1
	moved := list[last]
	list[e.place], list[last] = moved, nil
	if int(e.place) != last {
		i, _ := moved.find(e.author)
		moved.edges[i].place = e.place
	}
	if last == 0 {
		delete(x.readers, e.author)
		return
	}
	x.readers[e.author] = list[:last]
}

// find gives the place of an author among the edges, or where it would stand.
func (p *person) find(author modules.ID) (int, bool) {
	return slices.BinarySearchFunc(p.edges, author, func(e edge, id modules.ID) int { return e.author.Compare(id) })
}

// audience is what the person reads in one mode, for the log.
func (p *person) audience(mode modules.PostsMode) modules.Audience {
	a := modules.Audience{Person: p.id, Sources: make([]modules.Source, 1, 1+len(p.edges)), Hidden: map[modules.ID]struct{}{}}
	a.Sources[0] = modules.Source{Stream: modules.Stream{Kind: modules.To, User: p.id}, Since: p.since}
	for id := range p.hidden {
		a.Hidden[id] = struct{}{} // a copy: the worker reads it while the hub may change ours
	}
	for _, e := range p.edges {
		a.Sources = append(a.Sources, modules.Source{Stream: modules.Stream{Kind: modules.By, User: e.author}, Since: e.since, Bell: e.bell})
	}
	return a.ForPosts(mode)
}

// reads reports whether an event is for the person in one mode, by what is known of their relations now.
func (p *person) reads(f *frame, mode modules.PostsMode) bool {
	if f.stream.Kind == modules.To {
		if f.stream.User != p.id || f.pos <= p.since {
			return false
		}
	} else {
		if mode == modules.PostsNone {
			return false
		}
		i, ok := p.find(f.stream.User)
		if !ok || f.pos <= p.edges[i].since || (mode == modules.PostsNotify && !p.edges[i].bell) {
			return false
		}
	}
	if len(p.hidden) > 0 {
		for _, id := range f.about {
			if _, ok := p.hidden[id]; ok {
				return false
			}
		}
	}
	return true
}
