package audience

import (
	"cmp"
	"maps"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// Person is what one person reads, as the index has it.
type Person struct {
	ID    social.ID
	From  social.Position // the person is judged above it only
	place uint32          // in Index.places

	follows []edge
	sinces  []since
	hidden  map[social.ID]struct{} // never changed, only replaced
}

func (p *Person) base() *Person { return p }

// Weight is what it costs to keep a person, in edges.
func (p *Person) Weight() int { return len(p.follows) + 2*len(p.sinces) + 32 }

// since is where one edge begins.
type since struct {
	author uint32
	at     social.Position
}

func byAuthor(s since, author uint32) int { return cmp.Compare(s.author, author) }

// begin notes since when a stream may be seen, if that can still matter; 0 takes the note back.
func (p *Person) begin(author uint32, at social.Position) {
	i, found := slices.BinarySearchFunc(p.sinces, author, byAuthor)
	switch {
	case found && at <= p.From:
		p.sinces = slices.Delete(p.sinces, i, i+1)
	case found:
		p.sinces[i].at = at
	case at > p.From:
		p.sinces = slices.Insert(p.sinces, i, since{author, at})
	}
}

// since gives the position above which a stream may be seen; 0 = at or below From.
func (p *Person) since(author uint32) social.Position {
	if i, found := slices.BinarySearchFunc(p.sinces, author, byAuthor); found {
		return p.sinces[i].at
	}
	return 0
}

// hide notes whether a person is hidden from the person.
func (p *Person) hide(other social.ID, hidden bool) {
	if _, was := p.hidden[other]; was == hidden {
		return
	}
	p.hidden = maps.Clone(p.hidden) // a catch-up worker may be reading the old one
	if !hidden {
		delete(p.hidden, other)
		return
	}
	if p.hidden == nil {
		p.hidden = map[social.ID]struct{}{}
	}
	p.hidden[other] = struct{}{}
}

// sees reports whether the person may see an event at a position that names some people, and is read by an edge.
func (p *Person) sees(e Edge, at social.Position, about []social.ID) bool {
	return at > p.since(e.place()) && (len(p.hidden) == 0 ||
		!slices.ContainsFunc(about, func(id social.ID) bool { _, ok := p.hidden[id]; return ok }))
}

// Judge tells which of a row of events are for one person, by what is known of the person's relations now. Its last
// answer is remembered: what a busy author has posted in a row is looked up once. The index must not be changed
// meanwhile.
type Judge struct {
	authors *authors
	person  *Person
	mode    Mode
	stream  social.Stream // of the last event
	edge    edge
	reads   bool
}

// Shows reports whether an event of a stream, at a position and naming some people, is for the person.
func (j *Judge) Shows(s social.Stream, at social.Position, about []social.ID) bool {
	if s != j.stream {
		j.stream = s
		j.edge, j.reads = j.authors.edge(j.person, s)
	}
	return j.reads && (j.authors.takes(j.mode, j.edge) || j.authors.end(j.edge, at)) &&
		j.person.sees(j.edge, at, about)
}

// Mode is social.PostsMode in one byte.
type Mode uint8

const (
	Notify Mode = iota
	All
	None
)

func ModeOf(m social.PostsMode) Mode {
	switch m {
	case social.PostsAll:
		return All
	case social.PostsNone:
		return None
	default:
		return Notify
	}
}
