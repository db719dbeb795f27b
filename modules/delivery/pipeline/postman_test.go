package pipeline_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// postman is a sender that remembers every attempt and answers as the test says.
type postman struct {
	mu       sync.Mutex
	attempts []sent
	answer   func(d plugins.Delivery) error // nil = taken
}

type sent struct {
	at    time.Time
	d     plugins.Delivery
	event struct {
		ID   *string
		Type string
	}
}

func (p *postman) channel() sender {
	return sender{send: func(_ context.Context, d plugins.Delivery) error {
		s := sent{at: time.Now(), d: d}
		if err := json.Unmarshal(d.Event, &s.event); err != nil {
			panic(err)
		}
		p.mu.Lock()
		p.attempts = append(p.attempts, s)
		answer := p.answer
		p.mu.Unlock()
		if answer == nil {
			return nil
		}
		return answer(d)
	}}
}

func (p *postman) all() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.attempts)
}

func (p *postman) answers(fn func(plugins.Delivery) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = fn
}

// exact is the default without luck, so that waits are exact.
func exact() pipeline.Config {
	cfg := pipeline.DefaultConfig()
	cfg.Jitter = 0
	return cfg
}

func (w *world) endpoint(s *service, owner social.ID, types ...string) pipeline.Endpoint {
	w.t.Helper()
	e, err := s.AddEndpoint(context.Background(), owner, pipeline.EndpointDraft{Channel: "hook",
		Settings: json.RawMessage(`{"url":"https://bot.example/` + owner.String() + `"}`), Types: types}, nil)
	if err != nil {
		w.t.Fatalf("add endpoint: %v", err)
	}
	return e
}

// deliveries are all of an endpoint, oldest first.
func (w *world) deliveries(s *service, owner, endpoint social.ID) []pipeline.Delivery {
	w.t.Helper()
	var out []pipeline.Delivery
	page := social.PageQuery{Limit: 100}
	for {
		l, err := s.Deliveries(context.Background(), owner, endpoint, "", page)
		if err != nil {
			w.t.Fatalf("deliveries: %v", err)
		}
		out = append(out, l.Items...)
		if l.Next == nil {
			slices.Reverse(out)
			return out
		}
		page.Cursor = *l.Next
	}
}

func states(list []pipeline.Delivery) string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.State
	}
	return strings.Join(out, " ")
}

func cursorOf(t *testing.T, s sent) social.Cursor {
	t.Helper()
	c, err := social.ParseCursor(*s.event.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) runJobs(s *service) {
	w.t.Helper()
	for _, job := range s.Jobs() {
		for more := true; more; {
			var err error
			if more, err = job.Run(context.Background()); err != nil {
				w.t.Fatalf("%s: %v", job.Name, err)
			}
		}
	}
}

func (w *world) count(query string) (n int) {
	w.t.Helper()
	w.fix.Read(w.t, func(q storage.Querier) error { return q.QueryRow(context.Background(), query).Scan(&n) })
	return n
}
