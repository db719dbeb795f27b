package sse

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// naive is the index as one would write it first: a map of relations.
type naive map[pair]social.Source

// TestIndexModel runs random people coming, going and changing what they read, and frames coming and going, against
// maps: both sides of every edge agree, what is asked from the index is what is true above from, and nothing is
// left of those who went.
func TestIndexModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &indexModel{x: newIndex(), edges: naive{}, hidden: map[pair]bool{}}
		m.tail = newTail(rapid.SampledFrom([]int{600, 3000, 1 << 20}).Draw(rt, "limit"), 0, &m.x.authors)
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			m.step(rt)
			m.check(rt)
		}
		m.tail.clear()
		for _, p := range slices.Collect(maps.Values(m.x.people)) {
			m.x.leave(p)
		}
		if len(m.x.authors.places) != 0 || len(m.x.authors.chains) != 0 || len(m.tail.to) != 0 || m.tail.bytes != 0 {
			rt.Fatalf("left behind: %d authors, %d chains, %d bytes", len(m.x.authors.places), len(m.x.authors.chains), m.tail.bytes)
		}
	})
}

type indexModel struct {
	x      index
	tail   *tail
	edges  naive
	hidden map[pair]bool
	pos    social.Position
}

func (m *indexModel) step(rt *rapid.T) {
	n, other := rapid.IntRange(1, 5).Draw(rt, "who"), rapid.IntRange(1, 8).Draw(rt, "whom")
	who := id(n)
	p, k := m.x.people[who], pair{who, id(other)}
	switch rapid.SampledFrom([]string{"load", "relate", "relate", "leave", "frame", "frame"}).Draw(rt, "step") {
	case "load":
		if p == nil {
			p = &person{id: who}
			m.x.enter(p)
		}
		a := social.Audience{Person: who, Hidden: map[social.ID]struct{}{}}
		a.Sources = append(a.Sources, social.Source{Stream: to(n), Since: m.since(rt)}, social.Source{Stream: by(n), Since: m.since(rt)})
		for o := range 9 {
			if o != n && rapid.Bool().Draw(rt, "follows") {
				a.Sources = append(a.Sources, social.Source{Stream: by(o), Since: m.since(rt), Bell: rapid.Bool().Draw(rt, "bell")})
			}
			if rapid.IntRange(0, 5).Draw(rt, "hides") == 0 {
				a.Hidden[id(o)] = struct{}{}
			}
		}
		maps.DeleteFunc(m.edges, func(k pair, _ social.Source) bool { return k.person == who })
		maps.DeleteFunc(m.hidden, func(k pair, _ bool) bool { return k.person == who })
		for _, s := range a.Sources {
			if s.Stream.Kind == social.By {
				m.edges[pair{who, s.Stream.User}] = s
			} else {
				m.edges[pair{who, social.ID{}}] = s
			}
		}
		for o := range a.Hidden {
			m.hidden[pair{who, o}] = true
		}
		m.x.install(p, a, m.since(rt))
	case "relate":
		if p == nil || other == n {
			return
		}
		s := social.Source{Stream: by(other), Since: m.since(rt), Bell: rapid.Bool().Draw(rt, "bell")}
		follows, hides := rapid.Bool().Draw(rt, "follows"), rapid.Bool().Draw(rt, "hides")
		if !follows {
			s = social.Source{}
		}
		lent := m.x.audience(p, postsAll, nil).Hidden
		before := maps.Clone(lent)
		m.x.relate(p, id(other), s, follows, hides)
		if !maps.Equal(lent, before) {
			rt.Fatal("an audience that a worker may be reading was changed")
		}
		delete(m.edges, k)
		delete(m.hidden, k)
		if follows {
			m.edges[k] = s
		}
		if hides {
			m.hidden[k] = true
		}
	case "leave":
		if p != nil {
			m.x.leave(p)
			maps.DeleteFunc(m.edges, func(k pair, _ social.Source) bool { return k.person == who })
			maps.DeleteFunc(m.hidden, func(k pair, _ bool) bool { return k.person == who })
		}
	case "frame":
		m.tail.push(m.frame(rt, other))
	}
}

func (m *indexModel) frame(rt *rapid.T, n int) frame {
	m.pos += social.Position(rapid.IntRange(2, 9).Draw(rt, "hole"))
	s := by(n)
	if rapid.Bool().Draw(rt, "to") {
		s = to(n)
	}
	return frame{pos: m.pos, stream: s, block: make([]byte, rapid.IntRange(1, 300).Draw(rt, "size"))}
}

// since is a position near what happens.
func (m *indexModel) since(rt *rapid.T) social.Position {
	return social.Position(rapid.IntRange(0, int(m.pos)+10).Draw(rt, "position"))
}

func (m *indexModel) check(rt *rapid.T) {
	edges := 0
	for _, p := range m.x.people {
		m.checkPerson(rt, p)
		for _, e := range p.follows {
			if e>>1 != own {
				edges++
			}
		}
	}
	readers := 0
	for place, a := range m.x.authors.table {
		for _, r := range a.readers {
			p := m.x.places[r>>1]
			s, ok := m.edges[pair{p.id, a.id}]
			if !ok || s.Bell != (r&1 == 1) {
				rt.Fatalf("place %d: %v is a reader with bell %v, want %v %v", place, p.id, r&1 == 1, ok, s.Bell)
			}
		}
		readers += len(a.readers)
		if !slices.IsSorted(a.readers) {
			rt.Fatalf("readers %v", a.readers)
		}
	}
	if readers != edges {
		rt.Fatalf("%d edges on the side of authors, %d on that of people", readers, edges)
	}
	if len(m.x.authors.table) > int(firstAuthor)+9 || len(m.x.places) > 5 {
		rt.Fatalf("%d places for 9 authors, %d for 5 people", len(m.x.authors.table), len(m.x.places))
	}
	m.checkTail(rt)
}

// checkPerson compares what a person reads, frame by frame and for the log, with the maps.
func (m *indexModel) checkPerson(rt *rapid.T, p *person) {
	for _, mode := range []social.PostsMode{social.PostsNotify, social.PostsAll, social.PostsNone} {
		want := social.Audience{Person: p.id, Hidden: map[social.ID]struct{}{}}
		for k, s := range m.edges {
			if k.person == p.id {
				want.Sources = append(want.Sources, s)
			}
		}
		for k := range m.hidden {
			if k.person == p.id {
				want.Hidden[k.other] = struct{}{}
			}
		}
		want = want.ForPosts(mode)
		got := m.x.audience(p, modeOf(mode), nil)
		if a, b := sourcesAbove(got, p.from), sourcesAbove(want, p.from); a != b {
			rt.Fatalf("%v above %d:\ngot  %s\nwant %s", p.id, p.from, a, b)
		}
		if !maps.Equal(got.Hidden, want.Hidden) {
			rt.Fatalf("hidden %v, want %v", got.Hidden, want.Hidden)
		}
		judge := judge{c: &connection{person: p, want: ^kinds(0), mode: modeOf(mode), delivered: p.from}}
		for i := range m.tail.frames {
			f := m.tail.frames[i]
			f.kind, f.about = 1, []social.ID{f.stream.User}
			reads := slices.ContainsFunc(want.Sources, func(s social.Source) bool { return s.Stream == f.stream && f.pos > s.Since })
			if f.pos > p.from && judge.shows(&f) != (reads && !want.Hides(social.Event{About: f.about})) {
				rt.Fatalf("%v, %s: %v at %d is shown: %v", p.id, mode, f.stream, f.pos, !reads)
			}
		}
	}
}

// sourcesAbove writes sources down; what begins at or below a position counts as always.
func sourcesAbove(a social.Audience, from social.Position) string {
	var out []string
	for _, s := range a.Sources {
		if s.Since <= from {
			s.Since = 0
		}
		out = append(out, fmt.Sprint(s.Stream, s.Since, s.Bell))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// checkTail compares each chain with a look at every frame.
func (m *indexModel) checkTail(rt *rapid.T) {
	for n := range 9 {
		for _, s := range []social.Stream{to(n), by(n)} {
			var want []uint32
			for i := range m.tail.frames {
				if m.tail.frames[i].stream == s {
					want = append(want, uint32(i))
				}
			}
			c := m.tail.to[s.User]
			if s.Kind == social.By {
				c = m.x.authors.chains[m.x.authors.find(s.User)]
			}
			for from := range len(m.tail.frames) + 1 {
				got := m.tail.missed(nil, c, from, 1<<20)
				slices.Sort(got)
				after := want[sortedFrom(want, from):]
				if !slices.Equal(got, after) {
					rt.Fatalf("%v from %d: %v, want %v", s, from, got, after)
				}
			}
		}
	}
}

func sortedFrom(list []uint32, from int) int {
	i, _ := slices.BinarySearch(list, uint32(from))
	return i
}

// TestQueue: first in, first out, however pushes and pops come, and memory follows what is in it.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var q queue[int]
		var want []int
		next, most := 0, 0
		for range rapid.IntRange(0, 300).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "push") {
				next++
				q.push(next)
				want = append(want, next)
			} else if len(want) > 0 {
				if first, got := q.first(), q.pop(); got != want[0] || first != got {
					rt.Fatalf("got %d after %d, want %d", got, first, want[0])
				}
				want = want[1:]
			}
			most = max(most, len(want))
			if q.len() != len(want) || cap(q.items) > 4*most+8 {
				rt.Fatalf("%d in it, want %d; room for %d, most were %d", q.len(), len(want), cap(q.items), most)
			}
		}
	})
}
