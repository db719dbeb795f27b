package sse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// world stands in for store, log and dispatch: a slice of events, a map of follows, and a goroutine that hands
// events to the channel in order.
type world struct {
	mu      sync.Mutex
	changed sync.Cond
	epochs  social.Epochs
	floor   social.Position
	head    social.Position
	events  []social.Event
	gone    map[social.Position]bool // redacted
	edges   map[pair]social.FollowEdge
	ended   map[pair]social.FollowEdge // of followed people whose account has ended
	hidden  map[pair]bool

	listener   plugins.Listener
	dispatched social.Position
	batch      int // events per Publish
	closed     bool
	done       sync.WaitGroup

	// Hooks of single tests; called without the lock.
	onRelation func(person, other social.ID) error
	onAudience func(person social.ID) error
	onRead     func(a social.Audience, after social.Cursor) error
	reads      int
}

type pair struct{ person, other social.ID }

func newWorld() *world {
	w := &world{epochs: social.Epochs{{Number: 1}},
		gone: map[social.Position]bool{}, edges: map[pair]social.FollowEdge{}, ended: map[pair]social.FollowEdge{},
		hidden: map[pair]bool{}, batch: 256}
	w.changed.L = &w.mu
	return w
}

// id makes a readable id: the same number gives the same id.
func id(n int) (out social.ID) {
	out[0], out[6], out[8] = 1, 0x70, 0x80
	out[14], out[15] = byte(n>>8), byte(n)
	return out
}

func to(n int) social.Stream { return social.Stream{Kind: social.To, User: id(n)} }
func by(n int) social.Stream { return social.Stream{Kind: social.By, User: id(n)} }

const testTime social.Time = 1777889472345

// commit makes an event durable and gives its position.
func (w *world) commit(s social.Stream, typ, data string, about ...social.ID) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commitLocked(s, typ, data, false, about...)
}

func (w *world) commitLocked(s social.Stream, typ, data string, internal bool, about ...social.ID) social.Position {
	w.head++
	w.events = append(w.events, social.Event{Cursor: w.kept().Cursor(w.head), Stream: s, Type: typ,
		Time:  testTime,
		About: about, Internal: internal, Data: []byte(data)})
	w.changed.Broadcast()
	return w.head
}

// notify and post are the two events most tests need.
func (w *world) notify(n int) social.Position {
	return w.commit(to(n), social.EventNotification, fmt.Sprintf(`{"id":"n%d","text":"hello"}`, n))
}

func (w *world) post(n int) social.Position {
	return w.commit(by(n), social.EventPostCreated, fmt.Sprintf(`{"text":"post of %d"}`, n), id(n))
}

// skip makes holes in the positions.
func (w *world) skip(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head += social.Position(n)
}

func (w *world) follow(n, other int, bell bool) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, _ := json.Marshal(social.Relationship{UserID: id(other), Follow: social.FollowFollowing})
	p := w.commitLocked(to(n), social.EventFollowChanged, string(data), false)
	w.edges[pair{id(n), id(other)}] = social.FollowEdge{User: id(other), Since: p, Bell: bell}
	return p
}

func (w *world) unfollow(n, other int) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, _ := json.Marshal(social.Relationship{UserID: id(other), Follow: social.FollowNone})
	delete(w.edges, pair{id(n), id(other)})
	return w.commitLocked(to(n), social.EventFollowChanged, string(data), false)
}

// end ends an account: what is theirs or names them is gone, and their followers are told.
func (w *world) end(n int) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Stream.User == id(n) || slices.Contains(e.About, id(n)) {
			w.gone[e.Cursor.Seq] = true
		}
	}
	w.commitLocked(to(n), social.EventAccessRevoked, `{}`, true)
	end := w.commitLocked(by(n), social.EventUserDeleted, `{"id":"`+id(n).String()+`"}`, false)
	for k := range w.edges {
		if k.other == id(n) {
			w.ended[k] = social.FollowEdge{User: id(n), Since: end - 1}
		}
		if k.other == id(n) || k.person == id(n) {
			delete(w.edges, k)
		}
	}
	return end
}

// hide is a mute or block by other means than follow.changed; an internal entry tells of it.
func (w *world) hide(n, other int, hidden bool) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hidden {
		w.hidden[pair{id(n), id(other)}] = true
	} else {
		delete(w.hidden, pair{id(n), id(other)})
	}
	return w.commitLocked(to(n), social.EventAudienceChanged, `{"other":"`+id(other).String()+`"}`, true)
}

// redact empties an event and announces that.
func (w *world) redact(p social.Position, s social.Stream, typ, data string) social.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[p] = true
	return w.commitLocked(s, typ, data, false)
}

func (w *world) trim(floor social.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.floor = floor
}

func (w *world) listen(l plugins.Listener) {
	w.mu.Lock()
	w.listener, w.dispatched = l, w.head
	w.mu.Unlock()
	w.done.Go(w.dispatch)
}

func (w *world) dispatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		i := sort.Search(len(w.events), func(i int) bool { return w.events[i].Cursor.Seq > w.dispatched })
		if i == len(w.events) {
			if w.closed {
				return
			}
			w.changed.Wait()
			continue
		}
		end := min(i+w.batch, len(w.events))
		last := w.events[end-1].Cursor.Seq
		var batch []social.Event
		for _, e := range w.events[i:end] {
			if !w.gone[e.Cursor.Seq] {
				batch = append(batch, e)
			}
		}
		w.mu.Unlock()
		if len(batch) > 0 {
			w.listener.Publish(batch)
		}
		w.mu.Lock()
		w.dispatched = last
		w.changed.Broadcast()
	}
}

// settle waits until everything committed was published.
func (w *world) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.events) > 0 && w.dispatched < w.events[len(w.events)-1].Cursor.Seq {
		w.changed.Wait()
	}
}

func (w *world) close() {
	w.mu.Lock()
	w.closed = true
	w.changed.Broadcast()
	w.mu.Unlock()
	w.done.Wait()
}

func (w *world) Head() social.Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept().Newest()
}

func (w *world) Kept() social.Kept {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept()
}

func (w *world) kept() social.Kept {
	return social.Kept{Floor: w.floor, Head: w.head, Epochs: w.epochs}
}

// newRun has what comes next be of another run.
func (w *world) newRun(number uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epochs = w.epochs.With(social.Epoch{Number: number, After: w.head})
}

func (w *world) Read(ctx context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage, error) {
	if w.onRead != nil {
		if err := w.onRead(a, after); err != nil {
			return social.EventPage{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if gap := w.kept().GapOf(after); gap != nil {
		return social.EventPage{}, gap
	}
	sources := map[social.Stream]social.Source{}
	for _, s := range a.Sources {
		sources[s.Stream] = s
	}
	out := social.EventPage{Through: w.kept().Newest()}
	i := sort.Search(len(w.events), func(i int) bool { return w.events[i].Cursor.Seq > after.Seq })
	for _, e := range w.events[i:] {
		s, ok := sources[e.Stream]
		if !ok || e.Cursor.Seq <= s.Since || a.Hides(e) || e.Internal || w.gone[e.Cursor.Seq] {
			continue
		}
		if len(out.Events) == limit {
			out.More, out.Through = true, out.Events[limit-1].Cursor
			break
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}

func (w *world) Audience(ctx context.Context, person social.ID) (social.Audience, error) {
	if w.onAudience != nil {
		if err := w.onAudience(person); err != nil {
			return social.Audience{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.audienceLocked(person), nil
}

func (w *world) audienceLocked(person social.ID) social.Audience {
	a := social.Audience{Person: person, Hidden: map[social.ID]struct{}{}, Sources: []social.Source{
		{Stream: social.Stream{Kind: social.To, User: person}}, {Stream: social.Stream{Kind: social.By, User: person}}}}
	for k, e := range w.edges {
		if k.person == person {
			a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: k.other}, Since: e.Since,
				Bell: e.Bell})
		}
	}
	for k, e := range w.ended {
		if k.person == person {
			a.Sources = append(a.Sources, endedSource(k.other, e))
		}
	}
	for k := range w.hidden {
		if k.person == person {
			a.Hidden[k.other] = struct{}{}
		}
	}
	return a
}

func endedSource(author social.ID, e social.FollowEdge) social.Source {
	return social.Source{Stream: social.Stream{Kind: social.By, User: author}, Since: e.Since, Ended: true}
}

func (w *world) Relation(ctx context.Context, person, other social.ID) (social.Source, bool, bool, error) {
	if w.onRelation != nil {
		if err := w.onRelation(person, other); err != nil {
			return social.Source{}, false, false, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.edges[pair{person, other}]
	s := social.Source{}
	if ok {
		s = social.Source{Stream: social.Stream{Kind: social.By, User: other}, Since: e.Since, Bell: e.Bell}
	} else if e, ok = w.ended[pair{person, other}]; ok {
		s = endedSource(other, e)
	}
	return s, ok, w.hidden[pair{person, other}], nil
}

// expected is what a person must see after a position, by the relations as they are now.
func (w *world) expected(n int, mode social.PostsMode, after social.Position) []string {
	w.mu.Lock()
	a := w.audienceLocked(id(n)).ForPosts(mode)
	w.mu.Unlock()
	page, err := w.Read(context.Background(), a, w.Kept().Cursor(after), 1<<30)
	if err != nil {
		panic(err)
	}
	var out []string
	for _, e := range page.Events {
		out = append(out, blockOf(e))
	}
	return out
}

var errAway = errors.New("the store is away")

var (
	_ plugins.History   = (*world)(nil)
	_ plugins.Audiences = (*world)(nil)
)

func envOf(w *world) plugins.Env {
	return plugins.Env{Name: "sse", Log: zap.NewNop(), Clock: time.Now, Metrics: prometheus.NewRegistry(), History: w,
		Audiences: w, Connections: newSeats()}
}

// blockOf is an event as it goes on the wire.
func blockOf(e social.Event) string {
	var j frames.Joined
	j.AddEvent(e, nil)
	return string(j.Bytes())
}
