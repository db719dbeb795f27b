package audience

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// id makes a readable id: the same number gives the same id.
func id(n int) (out social.ID) {
	out[0], out[15] = 1, byte(n)
	return out
}

func to(n int) social.Stream { return social.Stream{Kind: social.To, User: id(n)} }
func by(n int) social.Stream { return social.Stream{Kind: social.By, User: id(n)} }

// member is what the tests keep of a person.
type member struct {
	Person
	name string
}

type pair struct{ person, other social.ID }

// naive is the index as one would write it first: a map of relations.
type naive map[pair]social.Source

// frame is what there is to judge of an event.
type frame struct {
	stream social.Stream
	pos    social.Position
}

// TestIndexModel runs random people coming, going and changing what they read against maps: both sides of every edge
// agree, what is asked from the index is what is true above From, and nothing is left of those who went.
func TestIndexModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &indexModel{x: New[*member](), edges: naive{}, hidden: map[pair]bool{}, ended: map[social.ID]social.Position{}}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			m.step(rt)
			m.check(rt)
		}
		for _, p := range slices.Collect(m.x.All()) {
			m.x.Leave(p)
		}
		if len(m.x.authors.places) != 0 || len(m.x.people) != 0 || len(m.x.free) != len(m.x.places) {
			rt.Fatalf("left behind: %d authors, %d people", len(m.x.authors.places), len(m.x.people))
		}
	})
}

type indexModel struct {
	x      *Index[*member]
	frames []frame
	edges  naive
	hidden map[pair]bool
	ended  map[social.ID]social.Position
	pos    social.Position
}

func (m *indexModel) step(rt *rapid.T) {
	n, other := rapid.IntRange(1, 5).Draw(rt, "who"), rapid.IntRange(1, 8).Draw(rt, "whom")
	who := id(n)
	p, k := m.x.Find(who), pair{who, id(other)}
	switch rapid.SampledFrom([]string{"load", "relate", "relate", "leave", "frame", "frame", "end"}).Draw(rt, "step") {
	case "load":
		if p == nil {
			p = &member{Person: Person{ID: who}, name: who.String()}
			m.x.Enter(p)
		}
		a := social.Audience{Person: who, Hidden: map[social.ID]struct{}{}}
		a.Sources = append(a.Sources, social.Source{Stream: to(n), Since: m.since(rt)},
			social.Source{Stream: by(n), Since: m.since(rt)})
		for o := range 9 {
			if o != n && rapid.Bool().Draw(rt, "follows") {
				a.Sources = append(a.Sources, m.source(rt, o))
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
		m.x.Install(p, a, m.since(rt))
	case "relate":
		if p == nil || other == n {
			return
		}
		s := m.source(rt, other)
		follows, hides := rapid.Bool().Draw(rt, "follows"), rapid.Bool().Draw(rt, "hides")
		if !follows {
			s = social.Source{}
		}
		lent := m.x.Audience(p, All, nil).Hidden
		before := maps.Clone(lent)
		m.x.Relate(p, id(other), s, follows, hides)
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
			m.x.Leave(p)
			maps.DeleteFunc(m.edges, func(k pair, _ social.Source) bool { return k.person == who })
			maps.DeleteFunc(m.hidden, func(k pair, _ bool) bool { return k.person == who })
		}
	case "end":
		if other < 6 {
			return // somebody who reads
		}
		if m.ended[id(other)] == 0 {
			m.pos++
			m.ended[id(other)] = m.pos
			m.x.End(id(other), m.pos)
			m.frames = append(m.frames, frame{by(other), m.pos})
		}
	case "frame":
		m.frames = append(m.frames, m.frame(rt, other))
	}
}

func (m *indexModel) source(rt *rapid.T, author int) social.Source {
	if at := m.ended[id(author)]; at > 0 {
		return social.Source{Stream: by(author), Since: at - 1, Ended: true}
	}
	return social.Source{Stream: by(author), Since: m.since(rt), Bell: rapid.Bool().Draw(rt, "bell")}
}

func (m *indexModel) frame(rt *rapid.T, n int) frame {
	m.pos += social.Position(rapid.IntRange(2, 9).Draw(rt, "hole"))
	s := by(n)
	if rapid.Bool().Draw(rt, "to") {
		s = to(n)
	}
	return frame{s, m.pos}
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
			if e.place() != own {
				edges++
			}
		}
	}
	readers := 0
	for place, a := range m.x.authors.table {
		for _, r := range a.readers {
			p := m.x.places[r.place()]
			s, ok := m.edges[pair{p.ID, a.id}]
			if !ok || s.Bell != r.bell() {
				rt.Fatalf("place %d: %v is a reader with bell %v, want %v %v", place, p.ID, r.bell(), ok, s.Bell)
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
}

// checkPerson compares what a person reads, frame by frame and for the log, with the maps.
func (m *indexModel) checkPerson(rt *rapid.T, p *member) {
	for _, mode := range []social.PostsMode{social.PostsNotify, social.PostsAll, social.PostsNone} {
		want := social.Audience{Person: p.ID, Hidden: map[social.ID]struct{}{}}
		for k, s := range m.edges {
			if k.person == p.ID {
				want.Sources = append(want.Sources, s)
			}
		}
		for k := range m.hidden {
			if k.person == p.ID {
				want.Hidden[k.other] = struct{}{}
			}
		}
		want = want.ForPosts(mode)
		for k, s := range m.edges { // the end of an account is shown in every mode
			at := m.ended[k.other]
			if k.person == p.ID && at > 0 && !slices.Contains(want.Sources, s) {
				s.Since = max(s.Since, at-1)
				want.Sources = append(want.Sources, s)
			}
		}
		got := m.x.Audience(p, ModeOf(mode), nil)
		if a, b := sourcesAbove(got, p.From), sourcesAbove(want, p.From); a != b {
			rt.Fatalf("%v above %d:\ngot  %s\nwant %s", p.ID, p.From, a, b)
		}
		if !maps.Equal(got.Hidden, want.Hidden) {
			rt.Fatalf("hidden %v, want %v", got.Hidden, want.Hidden)
		}
		judge := m.x.Judge(p, ModeOf(mode))
		for _, f := range m.frames {
			about := []social.ID{f.stream.User}
			reads := slices.ContainsFunc(want.Sources, func(s social.Source) bool {
				return s.Stream == f.stream &&
					f.pos > s.Since
			})
			shown := reads && !want.Hides(social.Event{About: about})
			if f.pos <= p.From {
				continue
			}
			if judge.Shows(f.stream, f.pos, about) != shown || m.reads(p, ModeOf(mode), f, about) != shown {
				rt.Fatalf("%v, %s: %v at %d is shown: %v", p.ID, mode, f.stream, f.pos, !shown)
			}
		}
	}
}

// reads is what those who are told of a frame are told.
func (m *indexModel) reads(p *member, mode Mode, f frame, about []social.ID) (shown bool) {
	for r, e := range m.x.Readers(f.stream) {
		if r == p {
			shown = m.x.Allows(r, e, mode, f.pos, about)
		}
	}
	return shown
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
