package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// tarpit is a sender that never answers on some hosts, and remembers how many attempts were under way at most. It tells
// the host of an endpoint by its settings.
type tarpit struct {
	postman
	stuck func(d plugins.Delivery) bool

	under, most map[string]int // by owner, by host, and "" in all
	began       []plugins.Delivery
}

type tarpitChannel struct {
	sender
	pit *tarpit
}

func hostOf(settings json.RawMessage) string {
	var s struct{ Host string }
	_ = json.Unmarshal(settings, &s)
	return s.Host
}

func (tarpitChannel) Target(settings json.RawMessage) string { return hostOf(settings) }

func (p *tarpit) channel() tarpitChannel {
	p.under, p.most = map[string]int{}, map[string]int{}
	inner := p.postman.channel()
	count := func(d plugins.Delivery, n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, key := range []string{"", d.Receiver.String(), hostOf(d.Settings)} {
			p.under[key] += n
			p.most[key] = max(p.most[key], p.under[key])
		}
		if n > 0 {
			p.began = append(p.began, d)
		}
	}
	return tarpitChannel{sender{send: func(ctx context.Context, d plugins.Delivery) error {
		count(d, 1)
		defer count(d, -1)
		if p.stuck != nil && p.stuck(d) {
			<-ctx.Done()
			return ctx.Err()
		}
		return inner.send(ctx, d)
	}}, p}
}

func (p *tarpit) atMost(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most[key]
}

// taken counts what was delivered to a person.
func (p *tarpit) taken(who social.ID) (n int) {
	for _, s := range p.all() {
		if s.d.Receiver == who {
			n++
		}
	}
	return n
}

func (w *world) endpointAt(s *service, owner social.ID, host string) pipeline.Endpoint {
	w.t.Helper()
	e, err := s.AddEndpoint(context.Background(), owner, pipeline.EndpointDraft{Channel: "hook",
		Settings: json.RawMessage(`{"host":"` + host + `"}`)}, nil)
	if err != nil {
		w.t.Fatalf("add endpoint: %v", err)
	}
	return e
}

// likes appends n notifications for a person.
func (w *world) likes(who social.ID, n int) {
	list := make([]storage.Entry, n)
	for i := range list {
		list[i], _ = w.notification(who, "like")
	}
	w.append(list...)
}

// A person whose 20 endpoints never answer, with test sends for all of them, holds two workers of sixteen.
func TestHostileOwnerHoldsItsShareOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hostile, me := social.NewID(), social.NewID()
		p := &tarpit{stuck: func(d plugins.Delivery) bool { return d.Receiver == hostile }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		for i := range 20 {
			e := w.endpointAt(s, hostile, fmt.Sprintf("pit%d.example", i))
			for range 4 {
				if _, err := s.TestEndpoint(t.Context(), hostile, e.ID, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.likes(hostile, 20)
		w.endpointAt(s, me, "bot.example")
		settle()
		for n := range 50 {
			w.likes(me, 1)
			settle()
			if got := p.taken(me); got != n+1 {
				t.Fatalf("%d of %d were delivered at once beside the hostile owner", got, n+1)
			}
		}
		time.Sleep(10 * time.Minute)
		if got := p.atMost(hostile.String()); got != 2 {
			t.Errorf("%d attempts at once for one owner of slow endpoints, want 2", got)
		}
	})
}

// Many owners whose endpoints never answer, on hosts of their own, hold half of the workers.
func TestSlowLaneHoldsHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me := social.NewID()
		p := &tarpit{stuck: func(d plugins.Delivery) bool { return d.Receiver != me }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		w.endpointAt(s, me, "bot.example")
		w.likes(me, 1) // it answers: it is quick from now on
		settle()
		for i := range 40 {
			hostile := social.NewID()
			w.endpointAt(s, hostile, fmt.Sprintf("pit%d.example", i))
			w.likes(hostile, 20)
		}
		settle()
		w.likes(me, 20)
		settle()
		if got, most := p.taken(me), p.atMost(""); got != 21 || most != 8+1 {
			t.Errorf("%d of 21 delivered beside 40 tarpits, %d attempts at once; want all, and 8 of them slow", got, most)
		}
		time.Sleep(2 * time.Minute) // each has its turn
		p.mu.Lock()
		owners := map[social.ID]bool{}
		for _, d := range p.began {
			owners[d.Receiver] = true
		}
		p.mu.Unlock()
		if len(owners) != 41 {
			t.Errorf("%d owners of 41 have had an attempt", len(owners))
		}
	})
}

// A place that comes free while the owner who waited longest has removed everything goes to the next one at once.
func TestPlaceOfWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := exact()
		cfg.AttemptsPerTarget = 1
		cfg.SendTimeout = time.Second
		p := &tarpit{stuck: func(d plugins.Delivery) bool { return true }}
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		var ids [3]social.ID // one holds the place, the two others wait in order
		for i := range ids {
			ids[i] = social.NewID()
			e := w.endpointAt(s, ids[i], "one.example")
			w.likes(ids[i], 1)
			settle()
			if i == 1 {
				if err := s.RemoveEndpoint(t.Context(), ids[i], e.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(2 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.began); n != 2 || p.began[1].Receiver != ids[2] {
			t.Errorf("%d attempts have begun 2 s after the start, want the first owner's and the third's", n)
		}
	})
}

// Many owners aimed at one host do not get more than its places, what is put off is delivered in the end, and
// a quick endpoint on the same host is not shut out by slow ones.
func TestTargetIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me := social.NewID()
		open := false
		p := &tarpit{}
		p.stuck = func(d plugins.Delivery) bool { return d.Receiver != me && !open }
		cfg := exact()
		cfg.Workers = 64
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		mine := w.endpointAt(s, me, "victim.example")
		w.likes(me, 1)
		settle()
		var others []social.ID
		for range 50 {
			other := social.NewID()
			others = append(others, other)
			w.endpointAt(s, other, "victim.example")
			w.likes(other, 2)
		}
		settle()
		w.likes(me, 5)
		settle()
		if got := states(w.deliveries(s, me, mine.ID)); got != "succeeded succeeded succeeded succeeded succeeded succeeded" {
			t.Errorf("beside slow endpoints on the same host a quick one has %s", got)
		}
		p.mu.Lock()
		open = true
		p.mu.Unlock()
		time.Sleep(2 * time.Hour)
		if most := p.atMost("victim.example"); most > 8 {
			t.Errorf("%d attempts at once to one host, want 8 at most", most)
		}
		for _, other := range others {
			if got := p.taken(other); got != 2 {
				t.Errorf("%d of 2 were delivered after the host answered again", got)
			}
		}
	})
}

// Owners take turns: one with much due on twenty endpoints that answer at once does not go before another's one.
func TestOwnersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		busy, me, first := social.NewID(), social.NewID(), social.NewID()
		gate := make(chan struct{})
		p := &tarpit{stuck: func(d plugins.Delivery) bool {
			if d.Receiver == first {
				<-gate
			}
			return false
		}}
		cfg := exact()
		cfg.Workers = 1
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		w.endpointAt(s, first, "gate.example")
		for range 20 {
			w.endpointAt(s, busy, "busy.example")
		}
		w.endpointAt(s, me, "bot.example")
		w.likes(first, 1)
		settle() // the one worker is taken
		w.likes(busy, 50)
		w.likes(me, 3)
		settle()
		close(gate)
		settle()
		time.Sleep(time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		last := slices.IndexFunc(p.began, func(d plugins.Delivery) bool { return d.Receiver == me })
		for i, d := range p.began {
			if d.Receiver == me {
				last = i
			}
		}
		if len(p.began) != 1+50*20+3 || last > 1+6 {
			t.Errorf("of %d attempts the third of the other owner was number %d, want 7 at most", len(p.began), last)
		}
	})
}

// rowsRead is a store that counts the rows which statements about turns and endpoints give.
type rowsRead struct {
	storage.DB
	mu   sync.Mutex
	rows int
}

func (c *rowsRead) Read(ctx context.Context, fn func(storage.Querier) error) error {
	return c.DB.Read(ctx, func(q storage.Querier) error { return fn(countedQuery{q, c}) })
}

func (c *rowsRead) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	return c.DB.InTx(ctx, func(tx storage.Tx) error { return fn(countedTx{tx, c}) })
}

func (c *rowsRead) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.rows
	c.rows = 0
	return n
}

type countedQuery struct {
	storage.Querier
	c *rowsRead
}

func (q countedQuery) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	rows, err := q.Querier.Query(ctx, text, args...)
	return countedRows{rows, q.c}, err
}

type countedTx struct {
	storage.Tx
	c *rowsRead
}

func (q countedTx) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	rows, err := q.Tx.Query(ctx, text, args...)
	return countedRows{rows, q.c}, err
}

type countedRows struct {
	storage.Rows
	c *rowsRead
}

func (r countedRows) Next() bool {
	ok := r.Rows.Next()
	if ok {
		r.c.mu.Lock()
		r.c.rows++
		r.c.mu.Unlock()
	}
	return ok
}

// What a delivery reads does not grow with what another owner has due.
func TestClaimReadsNoBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hostile, me := social.NewID(), social.NewID()
		p := &tarpit{stuck: func(d plugins.Delivery) bool { return d.Receiver == hostile }}
		db := &rowsRead{DB: w.fix.DB}
		s := w.start(w.serviceOn(db, exact(), named{"hook", p.channel()}))
		w.endpointAt(s, me, "bot.example")
		for range 20 {
			w.endpointAt(s, hostile, "pit.example")
		}
		w.likes(me, 1)
		settle()
		backlog := func(n int) int {
			w.likes(hostile, n)
			settle()
			db.take()
			w.likes(me, 1)
			settle()
			return db.take()
		}
		few := backlog(1)
		if many := backlog(500); many > few+2 { // 10,000 deliveries
			t.Errorf("a delivery reads %d rows beside 20 due ones of another owner, %d beside 10,020", few, many)
		}
		if got := p.taken(me); got != 3 {
			t.Errorf("%d of 3 were delivered", got)
		}
		for _, query := range []string{
			`SELECT due_at FROM turns WHERE channel = 'hook' ORDER BY due_at, turn LIMIT 1`,
			`SELECT id FROM endpoints WHERE channel = 'hook' AND owner_id = x'00' AND due_at <= 5 ORDER BY due_at LIMIT 20`,
			`SELECT position, author_id FROM fanouts WHERE turn IS NOT NULL ORDER BY turn, position LIMIT 1`,
		} {
			w.walksAnIndex(query)
		}
	})
}

// walksAnIndex fails the test when a query sorts or looks at a whole table.
func (w *world) walksAnIndex(query string) {
	w.t.Helper()
	w.fix.Read(w.t, func(q storage.Querier) error {
		return storage.Each(context.Background(), q, func(row storage.Row) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			bad := []string{"SCAN endpoints", "SCAN turns", "SCAN fanouts", "USE TEMP B-TREE FOR ORDER BY"}
			if slices.Contains(bad, detail) {
				w.t.Errorf("%s: %s", query, detail)
			}
			return err
		}, `EXPLAIN QUERY PLAN `+query)
	})
}

// Authors take turns as well: one post is fanned out beside the many of another author.
func TestFanOutTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := &tarpit{}
		s := w.service(exact(), named{"hook", p.channel()})
		flood, author, me := social.NewID(), social.NewID(), social.NewID()
		w.people.follow(me, author, 0, true)
		for range 450 { // three pages for each post
			fan := social.NewID()
			w.people.follow(fan, flood, 0, true)
			w.endpointAt(s, fan, "fan.example")
		}
		w.endpointAt(s, me, "bot.example")
		var posts []storage.Entry
		for range 20 {
			e, _ := w.post(flood)
			posts = append(posts, e)
		}
		e, _ := w.post(author)
		w.append(append(posts, e)...)
		db := &fanOuts{DB: w.fix.DB, me: me}
		s = w.serviceOn(db, exact(), named{"hook", p.channel()})
		w.fix.InTx(t, func(tx storage.Tx) error {
			_, err := tx.Exec(context.Background(), `INSERT INTO sender_mark (id, position) VALUES (1, 0)`)
			return err
		})
		w.start(s)
		settle()
		if n := db.pages(); n == 0 || n > 6 {
			t.Errorf("the one post was fanned out after %d pages, want 6 at most of 63", n)
		}
	})
}

// fanOuts counts pages of fan-outs until a person's delivery is made.
type fanOuts struct {
	storage.DB
	me social.ID

	mu   sync.Mutex
	n    int
	done int // pages when it was made; 0 = not yet
}

func (f *fanOuts) pages() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

func (f *fanOuts) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	return f.DB.InTx(ctx, func(tx storage.Tx) error { return fn(fanOutTx{tx, f}) })
}

type fanOutTx struct {
	storage.Tx
	f *fanOuts
}

func (x fanOutTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	n, err := x.Tx.Exec(ctx, text, args...)
	if err != nil {
		return n, err
	}
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	switch {
	case len(args) == 3 && text == `UPDATE fanouts SET done_key = $2, turn = $3 WHERE position = $1`,
		text == `DELETE FROM fanouts WHERE position = $1`, text == `UPDATE fanouts SET done_key = $2 WHERE position = $1`:
		x.f.n++
	case x.f.done == 0 && len(args) == 7:
		var owner social.ID
		if id, ok := args[2].(social.ID); ok {
			if err := x.QueryRow(ctx, `SELECT owner_id FROM endpoints WHERE id = $1`, id).Scan(&owner); err != nil {
				return n, err
			}
			if owner == x.f.me {
				x.f.done = x.f.n + 1
			}
		}
	}
	return n, nil
}

// A busy address is no attempt: the delivery waits, keeps its schedule, and is delivered.
func TestBusyAddressPutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me, n := social.NewID(), 0
		p := &tarpit{}
		p.answer = func(plugins.Delivery) error {
			if n++; n <= 20 {
				return fmt.Errorf("dial: %w", plugins.ErrBusyAddress)
			}
			return nil
		}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		e := w.endpointAt(s, me, "bot.example")
		w.likes(me, 1)
		settle()
		if d := w.deliveries(s, me, e.ID)[0]; d.State != "pending" || len(d.Attempts) != 0 || d.NextAttemptAt == nil {
			t.Errorf("behind a busy address the delivery is %+v", d)
		}
		time.Sleep(5 * time.Minute)
		if d := w.deliveries(s, me, e.ID)[0]; d.State != "succeeded" || len(d.Attempts) != 1 {
			t.Errorf("in the end the delivery is %+v", d)
		}
	})
}

// An endpoint that is dead is attempted seldom, however much comes for it. Its owner's test brings an attempt at
// once, and once it answers all that waits is delivered.
func TestDeadEndpointRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me := social.NewID()
		p := &postman{answer: func(plugins.Delivery) error { return errors.New("nobody listens") }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		e := w.endpoint(s, me)
		const seconds = 1200
		for range seconds {
			w.likes(me, 1)
			time.Sleep(time.Second)
		}
		if got := len(p.all()); got > 100 {
			t.Errorf("%d attempts in twenty minutes at an endpoint that is dead", got)
		}
		before := len(p.all())
		if _, err := s.TestEndpoint(t.Context(), me, e.ID, nil); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := len(p.all()) - before; got == 0 {
			t.Error("no attempt follows a test before the rest ends")
		}
		p.answers(nil)
		time.Sleep(6 * time.Minute)
		if got := strings.Count(states(w.deliveries(s, me, e.ID)), "pending"); got != 0 {
			t.Errorf("%d deliveries wait six minutes after the endpoint answers", got)
		}
	})
}
