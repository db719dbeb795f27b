package bench

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"time"
)

// fanout is one author whose posts go to everybody connected who follows them.
type fanout struct {
	followers, bystanders, posts, size int
	rate                               float64
}

func fanoutScenario() Scenario {
	return Scenario{Name: "fanout", Short: "one author posts to connected followers: deliveries a second, latency, loss and order",
		Small: []string{"-followers=500", "-posts=10"},
		Needs: []string{"followers", "posts", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &fanout{}
			fs.IntVar(&f.followers, "followers", 10_000, "connected people who follow the author")
			fs.IntVar(&f.bystanders, "bystanders", 0, "connected people who do not")
			fs.IntVar(&f.posts, "posts", 40, "posts, one after the other")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			fs.Float64Var(&f.rate, "rate", 0, "posts a second; 0 = as fast as they are answered")
			return f.run
		}}
}

// warming is how many posts go out before anything is measured: the first ones pay for what is kept in memory.
const warming = 3

func (f *fanout) run(ctx context.Context, b *Bench) error {
	plan := Plan{People: 1 + f.followers + f.bystanders, Follows: func(yield func(Follow) bool) {
		for i := range f.followers {
			if !yield(Follow{Follower: 1 + i, Followed: 0}) {
				return
			}
		}
	}}
	server, people, err := b.Serve(ctx, plan)
	if err != nil {
		return err
	}
	return f.against(ctx, b, server, people.List)
}

// against measures a server that has the people: the author first, then the followers, then the bystanders.
func (f *fanout) against(ctx context.Context, b *Bench, server *Server, people []Person) error {
	l := newLedger(f.followers+f.bystanders, warming+f.posts, warming+f.posts)
	l.since.Store(warming)
	c, err := newCrowd(server, b.query(), people[1:], l)
	if err != nil {
		return err
	}
	err = f.measure(ctx, b, server, people[0], c)
	b.Report.Checked.Add(c.close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.verify(l.expected(func(r int) bool { return r < f.followers }), true))
	return nil
}

func (f *fanout) measure(ctx context.Context, b *Bench, server *Server, author Person, c *crowd) error {
	if _, err := c.connect(ctx, c.everyone(), b.step("connect")); err != nil {
		return err
	}
	w := newWriter(server, c.ledger)
	defer w.close()
	for n := range warming {
		w.post(author, n, everybody, f.size)
	}
	if err := c.ledger.await(ctx, warming*f.followers, b.step("warm up")); err != nil {
		return err
	}
	w.answers = Histogram{}
	m := b.Measure(server)
	began := c.ledger.now()
	for i := range f.posts {
		var due time.Duration
		if f.rate > 0 {
			due = time.Duration(began) + time.Duration(float64(i)/f.rate*float64(time.Second))
		}
		if err := pause(ctx, due-time.Duration(c.ledger.now())); err != nil {
			return err
		}
		b.Progress("posts", i, f.posts)
		w.post(author, warming+i, everybody, f.size)
	}
	deliveries := f.posts * f.followers
	if err := c.ledger.await(ctx, warming*f.followers+deliveries, b.step("deliveries")); err != nil {
		return err
	}
	u := m.End()
	b.Report.Checked.Add(w.checked)
	name := "full rate"
	if f.rate > 0 {
		name = fmt.Sprintf("%g posts/s", f.rate)
	}
	b.Report.Row(name).Rate("deliveries", deliveries, time.Duration(c.ledger.lastAt-began)).Latency(&c.ledger.latency).
		Figure("answer_p50_ms", millis(w.answers.Quantile(0.5))).Figure("answer_p99_ms", millis(w.answers.Quantile(0.99))).Usage(u, deliveries)
	return nil
}

// pause waits; not at all for a time that is over.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// writer publishes marked messages, one at a time.
type writer struct {
	*caller
	ledger  *ledger
	answers Histogram // from the request being sent to its answer
	checked Checked
	body    []byte
}

func newWriter(s *Server, l *ledger) *writer { return &writer{caller: newCaller(s), ledger: l} }

// post publishes message n by author.
func (w *writer) post(author Person, n, reader, size int) {
	w.body = append(w.body[:0], `{"text":"`...)
	w.body = append(appendText(w.body, n, reader, size), `"}`...)
	w.send("/v1/posts", author.credential(), n, reader)
}

// push pushes message n to a reader with a service token.
func (w *writer) push(token string, to Person, n, reader, size int) {
	w.body = append(append(append(w.body[:0], `{"receiver":"`...), to.ID.String()...), `","type":"bench","content":"`...)
	w.body = append(appendText(w.body, n, reader, size), `"}`...)
	w.send("/v1/notifications", "Authorization: Bearer "+token, n, reader)
}

func (w *writer) send(path, who string, n, reader int) {
	w.ledger.begin(n, reader)
	began := time.Now()
	status, reply, err := w.ask(http.MethodPost, path, who, w.body)
	w.answers.Add(time.Since(began))
	switch {
	case err != nil:
		w.checked.Failed++
		w.checked.Fault("message %d: %v", n, err)
	case status != http.StatusCreated:
		w.checked.Failed++
		w.checked.Fault("message %d: status %d: %.120s", n, status, reply)
	}
}
