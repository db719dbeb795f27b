package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/event"
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
func exact() delivery.Config {
	cfg := delivery.DefaultConfig()
	cfg.Jitter = 0
	return cfg
}

func (w *world) endpoint(s *delivery.Service, owner modules.ID, types ...string) delivery.Endpoint {
	w.t.Helper()
	e, err := s.AddEndpoint(context.Background(), owner, delivery.EndpointDraft{Channel: "hook", Settings: json.RawMessage(`{"url":"https://bot.example/` + owner.String() + `"}`), Types: types}, nil)
	if err != nil {
		w.t.Fatalf("add endpoint: %v", err)
	}
	return e
}

// deliveries are all of an endpoint, oldest first.
func (w *world) deliveries(s *delivery.Service, owner, endpoint modules.ID) []delivery.Delivery {
	w.t.Helper()
	var out []delivery.Delivery
	page := modules.PageQuery{Limit: 100}
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

func states(list []delivery.Delivery) string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.State
	}
	return strings.Join(out, " ")
}

func TestNotificationReachesTheEndpointsThatWantIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, other := modules.NewID(), modules.NewID()
		early, _ := w.notification(me, "like")
		w.append(early)
		all := w.endpoint(s, me)
		likes := w.endpoint(s, me, "like", "custom")
		w.endpoint(s, me, "comment")
		w.endpoint(s, other)
		e, id := w.notification(me, "like")
		at := w.append(e)
		custom, _ := w.notification(me, "custom.shop")
		w.append(custom)
		internal, _ := w.notification(me, "like")
		internal.Internal = true
		w.append(internal)
		synctest.Wait()
		for _, tt := range []struct {
			endpoint delivery.Endpoint
			want     int
		}{{all, 2}, {likes, 2}} {
			list := w.deliveries(s, me, tt.endpoint.ID)
			if len(list) != tt.want || list[0].State != "succeeded" || *list[0].EventID != at.String() || *list[0].NotificationID != id ||
				list[0].EventType != event.Notification || len(list[0].Attempts) != 1 || list[0].Attempts[0].Outcome != "ok" || list[0].FinishedAt == nil {
				t.Errorf("deliveries are %+v, want %d succeeded, the first of %s", list, tt.want, at)
			}
		}
		got := p.all()
		if len(got) != 4 {
			t.Fatalf("%d attempts, want 4", len(got))
		}
		logged, _, err := w.log.At(t.Context(), at.Seq)
		if err != nil {
			t.Fatal(err)
		}
		want := logged.AppendJSON(nil)
		if string(got[0].d.Event) != string(want) || got[0].d.Receiver != me || got[0].d.Attempt != 1 {
			t.Errorf("sent %s for %s, want %s for %s", got[0].d.Event, got[0].d.Receiver, want, me)
		}
		if len(got[0].d.Secrets) != 1 || !strings.HasPrefix(got[0].d.Secrets[0], "whsec_") {
			t.Errorf("secrets are %d, want one of the form whsec_", len(got[0].d.Secrets))
		}
	})
}

func TestRevivedNotificationIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		w.endpoint(s, me)
		joined, _ := w.notification(me, "like")
		joined.Type = event.NotificationUpdated
		revived := storage.Entry{Stream: joined.Stream, Type: event.NotificationUpdated, Data: []byte(fmt.Sprintf(
			`{"id":%q,"type":"like","created_at":"2026-05-04T10:11:12.345Z","updated_at":"2026-05-04T10:11:13.345Z"}`, modules.NewID()))}
		w.append(revived, joined)
		synctest.Wait()
		if got := p.all(); len(got) != 1 || *got[0].event.ID != "1-2" {
			t.Errorf("sent %+v, want only the row that joined a group", got)
		}
	})
}

// The waits of api.md, section 5: at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return errors.New("secret of the channel") }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me)
		e, _ := w.notification(me, "like")
		w.append(e)
		time.Sleep(4 * 24 * time.Hour)
		got := p.all()
		var waits []time.Duration
		for i := 1; i < len(got); i++ {
			waits = append(waits, got[i].at.Sub(got[i-1].at))
			if got[i].d.ID != got[0].d.ID || got[i].d.Attempt != i+1 || string(got[i].d.Event) != string(got[0].d.Event) {
				t.Errorf("attempt %d is of %s, number %d; want %s with the same body", i+1, got[i].d.ID, got[i].d.Attempt, got[0].d.ID)
			}
		}
		if want := delivery.DefaultConfig().Schedule; !slices.Equal(waits, want) {
			t.Errorf("waits are %v, want %v", waits, want)
		}
		d := w.deliveries(s, me, endpoint.ID)[0]
		if d.State != "dead" || d.NextAttemptAt != nil || len(d.Attempts) != 10 || d.FinishedAt == nil {
			t.Errorf("in the end the delivery is %+v, want dead after 10 attempts", d)
		}
		if d.Attempts[0].Outcome != "channel_error" || strings.Contains(fmt.Sprint(d.Attempts), "secret") {
			t.Errorf("attempts show %+v; text of the channel's errors must not be shown", d.Attempts[0])
		}
		if e, _ := s.Endpoint(t.Context(), me, endpoint.ID); e.State != "failing" || e.FailingSince == nil || e.LastFailureAt == nil {
			t.Errorf("endpoint is %+v, want failing", e)
		}
	})
}

func TestJitterStaysWithinItsPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		p.answers(func(d plugins.Delivery) error {
			if d.Attempt == 1 {
				return errors.New("again")
			}
			return nil
		})
		cfg := delivery.DefaultConfig()
		cfg.Schedule = []time.Duration{100 * time.Second}
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		began := time.Now()
		for range 40 {
			me := modules.NewID()
			w.endpoint(s, me)
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		time.Sleep(10 * time.Minute)
		seen := map[time.Duration]bool{}
		for _, a := range p.all() {
			if a.d.Attempt == 2 {
				wait := a.at.Sub(began)
				seen[wait.Truncate(time.Second)] = true
				if wait < 80*time.Second || wait > 121*time.Second {
					t.Errorf("second attempt after %s, want 80 to 120 s", wait)
				}
			}
		}
		if len(seen) < 10 {
			t.Errorf("40 second attempts fell into %d different seconds: no jitter", len(seen))
		}
	})
}

// failure is an error of a channel that says how the attempt is to be shown.
type failure struct {
	outcome string
	status  int
}

func (f failure) Error() string                  { return "an answer with a secret in it" }
func (f failure) Outcome() (string, int, string) { return f.outcome, f.status, "the server said no" }

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		attempts int           // within an hour
		state    string        // of the delivery
		wait     time.Duration // between the first two attempts
		outcome  string
		endpoint string
	}{
		{"taken", nil, 1, "succeeded", 0, "ok", "active"},
		{"again", failure{"http_status", 500}, 4, "pending", 5 * time.Second, "http_status", "failing"},
		{"permanent", plugins.Permanent(errors.New("no")), 1, "dead", 0, "permanent", "failing"},
		{"gone", plugins.Gone(failure{"http_status", 410}), 1, "dead", 0, "http_status", "disabled"},
		{"retry after", plugins.RetryAfter(failure{"http_status", 429}, 10*time.Minute), 3, "pending", 10 * time.Minute, "http_status", "failing"},
		{"retry sooner than the schedule", plugins.RetryAfter(failure{"http_status", 503}, time.Second), 4, "pending", 5 * time.Second, "http_status", "failing"},
		{"retry too late", plugins.RetryAfter(failure{"http_status", 503}, 100*24*time.Hour), 1, "pending", 0, "http_status", "failing"},
		{"no answer in time", fmt.Errorf("post: %w", context.DeadlineExceeded), 4, "pending", 5 * time.Second, "timeout", "failing"},
		{"blocked", fmt.Errorf("dial: %w", plugins.ErrBlockedAddress), 4, "pending", 5 * time.Second, "blocked_address", "failing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := postman{answer: func(plugins.Delivery) error { return tt.err }}
				s := w.start(w.service(exact(), named{"hook", p.channel()}))
				me := modules.NewID()
				endpoint := w.endpoint(s, me)
				e, _ := w.notification(me, "like")
				w.append(e)
				time.Sleep(45 * time.Minute)
				got := p.all()
				d := w.deliveries(s, me, endpoint.ID)[0]
				if len(got) != tt.attempts || d.State != tt.state || len(d.Attempts) != tt.attempts || d.Attempts[0].Outcome != tt.outcome {
					t.Errorf("%d attempts, %s, %+v; want %d, %s, outcome %s", len(got), d.State, d.Attempts, tt.attempts, tt.state, tt.outcome)
				}
				if tt.wait != 0 && len(got) > 1 && got[1].at.Sub(got[0].at) != tt.wait {
					t.Errorf("second attempt after %s, want %s", got[1].at.Sub(got[0].at), tt.wait)
				}
				if tt.name == "retry too late" && d.NextAttemptAt.Sub(d.CreatedAt) > 25*time.Hour {
					t.Errorf("next attempt at %s, want within a day", d.NextAttemptAt)
				}
				shown, _ := s.Endpoint(t.Context(), me, endpoint.ID)
				if shown.State != tt.endpoint {
					t.Errorf("endpoint is %s, want %s", shown.State, tt.endpoint)
				}
				told := len(w.people.systemNotices())
				if want := map[bool]int{true: 1}[tt.endpoint == "disabled"]; told != want {
					t.Errorf("the owner was told %d times, want %d", told, want)
				}
			})
		})
	}
}

func TestGoneEndpointGetsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return plugins.Gone(errors.New("410")) }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me)
		for range 3 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		time.Sleep(time.Hour)
		e, _ := w.notification(me, "like")
		w.append(e)
		time.Sleep(time.Hour)
		list := w.deliveries(s, me, endpoint.ID)
		if len(p.all()) != 1 || strings.Contains(states(list), "pending") {
			t.Errorf("%d attempts, deliveries %s; want one attempt and nothing waiting", len(p.all()), states(list))
		}
		shown, _ := s.Endpoint(t.Context(), me, endpoint.ID)
		if shown.Enabled || shown.DisabledReason == nil || *shown.DisabledReason != "gone" {
			t.Errorf("endpoint is %+v, want disabled: gone", shown)
		}
		if _, err := s.RetryDelivery(t.Context(), me, endpoint.ID, list[0].ID); !modules.IsFault(err, modules.CodeInvalidState) {
			t.Errorf("retry on a disabled endpoint gave %v, want invalid_state", err)
		}
		// Switched on again, the dead letter can be tried by hand, and new events come.
		p.answers(nil)
		on := true
		if shown, err := s.ChangeEndpoint(t.Context(), me, endpoint.ID, delivery.EndpointPatch{Enabled: &on}); err != nil || shown.State != "active" {
			t.Errorf("switching on gave %+v, %v", shown, err)
		}
		if d, err := s.RetryDelivery(t.Context(), me, endpoint.ID, list[0].ID); err != nil || d.State != "pending" {
			t.Errorf("retry gave %+v, %v", d, err)
		}
		again, _ := w.notification(me, "like")
		w.append(again)
		synctest.Wait()
		list = w.deliveries(s, me, endpoint.ID)
		if list[0].State != "succeeded" || len(list[0].Attempts) != 2 || list[len(list)-1].State != "succeeded" {
			t.Errorf("after switching on deliveries are %s with %d attempts of the first", states(list), len(list[0].Attempts))
		}
	})
}

func TestEndpointFailingForDaysIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me)
		for day := range 7 {
			e, _ := w.notification(me, "like")
			w.append(e)
			time.Sleep(24 * time.Hour)
			shown, _ := s.Endpoint(t.Context(), me, endpoint.ID)
			if want := day < 5; shown.Enabled != want && day != 4 { // the fifth day ends in the middle of the schedule
				t.Errorf("after %d days enabled is %v", day+1, shown.Enabled)
			}
		}
		shown, _ := s.Endpoint(t.Context(), me, endpoint.ID)
		if shown.DisabledReason == nil || *shown.DisabledReason != "failing_too_long" {
			t.Errorf("endpoint is %+v, want disabled: failing_too_long", shown)
		}
		if told := w.people.systemNotices(); len(told) != 1 || !strings.HasPrefix(told[0], me.String()) {
			t.Errorf("told %q, want the owner once", told)
		}
		if list := w.deliveries(s, me, endpoint.ID); strings.Contains(states(list), "pending") {
			t.Errorf("deliveries are %s, want none waiting", states(list))
		}
	})
}

func TestWithdrawnIsCancelledBeforeTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, author := modules.NewID(), modules.NewID()
		w.people.follow(me, author, 0, true)
		endpoint := w.endpoint(s, me)
		note, noteID := w.notification(me, "like")
		redacted, _ := w.notification(me, "like")
		deleted, deletedID := w.post(author)
		at := w.append(note)
		w.append(redacted)
		w.append(deleted)
		synctest.Wait()
		w.people.withdraw(noteID)
		w.people.withdraw(deletedID)
		w.append(storage.Entry{Op: storage.OpRedact, Targets: []modules.Position{at.Seq + 1}})
		time.Sleep(time.Hour)
		if got := p.all(); len(got) != 3 {
			t.Errorf("%d attempts, want the first of each only", len(got))
		}
		if got := states(w.deliveries(s, me, endpoint.ID)); got != "cancelled cancelled cancelled" {
			t.Errorf("deliveries are %s, want all cancelled", got)
		}
	})
}

func TestWhatTheLogDroppedIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me)
		e, _ := w.notification(me, "like")
		w.append(e)
		synctest.Wait()
		if _, err := w.log.Trim(t.Context(), 1, 10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		d := w.deliveries(s, me, endpoint.ID)[0]
		if d.State != "dead" || len(d.Attempts) != 2 || d.Attempts[1].Outcome != "permanent" || !strings.Contains(d.Attempts[1].Detail, "older") {
			t.Errorf("delivery is %+v, want dead, saying why", d)
		}
	})
}

func TestPostReachesBellFollowersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		author := modules.NewID()
		people := map[string]modules.ID{}
		for _, name := range []string{"bell", "silent", "late", "stranger", "mentioned", "no posts", "unfollows"} {
			people[name] = modules.NewID()
		}
		w.people.follow(people["bell"], author, 0, true)
		w.people.follow(people["silent"], author, 0, false)
		w.people.follow(people["late"], author, 2, true) // the post is at 1
		w.people.follow(people["mentioned"], author, 0, true)
		w.people.follow(people["no posts"], author, 0, true)
		for name, id := range people {
			if name == "no posts" {
				w.endpoint(s, id, "like")
			} else {
				w.endpoint(s, id)
			}
		}
		e, id := w.post(author, people["mentioned"])
		w.append(e)
		synctest.Wait()
		got := p.all()
		if len(got) != 1 || got[0].d.Receiver != people["bell"] || got[0].event.Type != event.PostCreated {
			t.Fatalf("sent %+v, want the post to the one with the bell", got)
		}
		l, _ := s.Endpoints(t.Context(), people["bell"], modules.PageQuery{Limit: 5})
		if d := w.deliveries(s, people["bell"], l.Items[0].ID)[0]; *d.NotificationID != id {
			t.Errorf("notification id is %s, want the post's own %s", d.NotificationID, id)
		}
	})
}

func TestUnfollowStopsTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, author := modules.NewID(), modules.NewID()
		w.people.follow(me, author, 0, true)
		endpoint := w.endpoint(s, me)
		e, _ := w.post(author)
		w.append(e)
		synctest.Wait()
		w.people.unfollow(me, author)
		time.Sleep(time.Hour)
		if got := states(w.deliveries(s, me, endpoint.ID)); len(p.all()) != 1 || got != "cancelled" {
			t.Errorf("%d attempts, %s; want one and cancelled", len(p.all()), got)
		}
	})
}

func TestHangingEndpointCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me, hung := modules.NewID(), modules.NewID()
		var under, most int
		var p postman
		ch := p.channel()
		inner := ch.send
		ch.send = func(ctx context.Context, d plugins.Delivery) error {
			if d.Receiver != hung {
				return inner(ctx, d)
			}
			p.mu.Lock()
			under++
			most = max(most, under)
			p.mu.Unlock()
			<-ctx.Done()
			p.mu.Lock()
			under--
			p.mu.Unlock()
			return ctx.Err()
		}
		cfg := exact()
		cfg.Workers = 2
		s := w.start(w.service(cfg, named{"hook", ch}))
		w.endpoint(s, me)
		bad := w.endpoint(s, hung)
		var list []storage.Entry
		for range 50 {
			e, _ := w.notification(hung, "like")
			list = append(list, e)
		}
		w.append(list...)
		synctest.Wait()
		began := time.Now()
		for range 20 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		synctest.Wait()
		got := p.all()
		if len(got) != 20 || time.Since(began) != 0 {
			t.Errorf("%d of 20 were sent beside the endpoint that hangs, in %s", len(got), time.Since(began))
		}
		for i := 1; i < len(got); i++ {
			if cursorOf(t, got[i]).Seq <= cursorOf(t, got[i-1]).Seq {
				t.Errorf("%s was sent after %s", *got[i].event.ID, *got[i-1].event.ID)
			}
		}
		time.Sleep(20 * time.Second)
		if most != 1 {
			t.Errorf("%d attempts at once for one endpoint, want 1", most)
		}
		if d := w.deliveries(s, hung, bad.ID)[0]; d.Attempts[0].Outcome != "timeout" || d.Attempts[0].DurationMS != 15_000 {
			t.Errorf("attempt is %+v, want a timeout after 15 s", d.Attempts[0])
		}
		if h := s.Health(); !h[0].OK() {
			t.Errorf("health is %+v; what an endpoint does is not the channel's fault", h)
		}
	})
}

func cursorOf(t *testing.T, s sent) modules.Cursor {
	t.Helper()
	c, err := modules.ParseCursor(*s.event.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBrokenChannelRestsAndTouchesNoOther(t *testing.T) {
	for name, broken := range map[string]func(ctx context.Context) error{
		"panics":               func(context.Context) error { panic("out of order") },
		"ignores its deadline": func(context.Context) error { time.Sleep(40 * time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var calls int
				var p postman
				bad := sender{send: func(ctx context.Context, _ plugins.Delivery) error {
					p.mu.Lock()
					calls++
					p.mu.Unlock()
					return broken(ctx)
				}}
				cfg := exact()
				cfg.Workers = 1
				s := w.service(cfg, named{"bad", bad}, named{"hook", p.channel()})
				if err := s.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer func() { // a call that hangs is left behind, and named
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					if err := s.Stop(ctx); (err != nil) != (name != "panics") || err != nil && !strings.HasPrefix(err.Error(), "channel bad: ") {
						t.Errorf("stop gave %v", err)
					}
					time.Sleep(time.Minute)
				}()
				for range 8 {
					me := modules.NewID()
					if _, err := s.AddEndpoint(t.Context(), me, delivery.EndpointDraft{Channel: "bad", Settings: json.RawMessage(`{}`)}, nil); err != nil {
						t.Fatal(err)
					}
					w.endpoint(s, me)
					e, _ := w.notification(me, "like")
					w.append(e)
				}
				synctest.Wait()
				if n := len(p.all()); n != 8 {
					t.Errorf("the other channel made %d attempts, want 8 at once", n)
				}
				for range 300 {
					if s.Health()[0].State == "open" {
						break
					}
					time.Sleep(time.Second)
				}
				made := func() int { p.mu.Lock(); defer p.mu.Unlock(); return calls }
				before := made()
				if h := s.Health(); h[0].State != "open" || !h[1].OK() || before != 5 {
					t.Errorf("after %d calls health is %+v, want the first open after 5", before, h)
				}
				time.Sleep(58 * time.Second)
				if n := made(); n != before {
					t.Errorf("%d calls while it rests", n-before)
				}
				time.Sleep(3 * time.Second)
				if n := made(); n != before+1 {
					t.Errorf("%d calls after the rest, want one that tries", n-before)
				}
			})
		})
	}
}

func TestTestDeliveryIsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me, "follow")
		d, err := s.TestEndpoint(t.Context(), me, endpoint.ID, nil)
		if err != nil || d.State != "pending" || d.EventID != nil || d.EventType != "test" || d.NotificationID != nil {
			t.Errorf("answer is %+v, %v", d, err)
		}
		time.Sleep(24 * time.Hour)
		got := p.all()
		if len(got) != 1 || string(got[0].d.Event) != `{"id":null,"type":"test","time":"`+d.CreatedAt.String()+`","data":{"message":"test"}}` {
			t.Errorf("sent %+v, want one test", got)
		}
		if d, _ := s.Delivery(t.Context(), me, endpoint.ID, d.ID); d.State != "dead" || *d.Attempts[0].HTTPStatus != 500 || d.Attempts[0].Detail != "the server said no" {
			t.Errorf("the test delivery is %+v, want dead", d)
		}
	})
}

func TestDeletedEndpointAndAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		w.fix.Bus.React(s.Reactions()...)
		me, leaver := modules.NewID(), modules.NewID()
		mine, theirs := w.endpoint(s, me), w.endpoint(s, leaver)
		for range 250 { // more than one page of what is dropped
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		e, _ := w.notification(leaver, "like")
		w.append(e)
		synctest.Wait()
		first := len(p.all())
		if err := s.RemoveEndpoint(t.Context(), me, mine.ID); err != nil {
			t.Fatal(err)
		}
		w.fix.InTx(t, func(tx storage.Tx) error {
			return w.fix.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: leaver, At: w.clock.Now()})
		})
		for _, id := range []modules.ID{mine.ID, theirs.ID} {
			for _, owner := range []modules.ID{me, leaver} {
				if _, err := s.Endpoint(t.Context(), owner, id); !modules.IsFault(err, modules.CodeNotFound) {
					t.Errorf("a removed endpoint gives %v, want not found", err)
				}
			}
		}
		if got := w.count(`SELECT COUNT(*) FROM endpoints WHERE secret <> '' OR settings <> '{}' OR name <> ''`); got != 0 {
			t.Errorf("%d removed endpoints still hold address, name or secret", got)
		}
		time.Sleep(time.Hour)
		if n := len(p.all()); n != first {
			t.Errorf("%d attempts after the removal", n-first)
		}
		w.runJobs(s)
		for _, table := range []string{"endpoints", "deliveries", "attempts"} {
			if got := w.count(`SELECT COUNT(*) FROM ` + table); got != 0 {
				t.Errorf("%d rows are left in %s", got, table)
			}
		}
	})
}

func TestOldFinishedDeliveriesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := modules.NewID()
		endpoint := w.endpoint(s, me)
		for range 450 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		time.Sleep(6 * 24 * time.Hour)
		p.answers(func(plugins.Delivery) error { return failure{"http_status", 500} })
		e, _ := w.notification(me, "like")
		w.append(e)
		synctest.Wait()
		w.runJobs(s)
		if n := len(w.deliveries(s, me, endpoint.ID)); n != 451 {
			t.Errorf("%d deliveries after six days, want all 451", n)
		}
		time.Sleep(25 * time.Hour)
		w.runJobs(s)
		if got := states(w.deliveries(s, me, endpoint.ID)); got != "pending" {
			t.Errorf("after a week deliveries are %q, want the pending one", got)
		}
		if got := w.count(`SELECT COUNT(*) FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)`); got != 0 {
			t.Errorf("%d attempts are left behind", got)
		}
	})
}

func (w *world) runJobs(s *delivery.Service) {
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

// mortalDB is the store of a process that can die: after kill nothing more is written, and what was about to be is
// undone.
type mortalDB struct {
	storage.DB
	mu   sync.Mutex
	dead bool
	left int // transactions until it dies; below 0 = it does not
}

var errDead = errors.New("the process is dead")

func (m *mortalDB) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	m.mu.Lock()
	if m.left--; m.left == 0 {
		m.dead = true
	}
	dead := m.dead
	m.mu.Unlock()
	if dead {
		return errDead
	}
	return m.DB.InTx(ctx, fn)
}

func (m *mortalDB) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

// P18, small form: deliveries with failures injected, and the process killed again and again in the middle, also
// within intake, fan-out and recording. Each delivery is taken or dead in the end, with one id on all attempts, and
// nothing is missing.
func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		luck := rand.New(rand.NewPCG(seed, 1))
		t.Logf("seed %d", seed)
		w := newWorld(t)
		author := modules.NewID()
		const people, rounds = 210, 6 // more than one page of endpoints
		var p postman
		var mu sync.Mutex
		answers := rand.New(rand.NewPCG(seed, 2)) // of the channel's goroutines
		p.answers(func(d plugins.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			switch n := answers.IntN(100); {
			case n < 25:
				return failure{"http_status", 500}
			case n < 28:
				return plugins.Permanent(failure{"http_status", 400})
			case n < 29:
				panic("at random")
			case n < 30:
				return plugins.RetryAfter(failure{"http_status", 429}, time.Minute)
			}
			return nil
		})
		cfg := delivery.DefaultConfig()
		cfg.Schedule = cfg.Schedule[:4]
		cfg.BreakerFailures = 1000

		s := w.service(cfg, named{"hook", p.channel()})
		owners := make([]modules.ID, people)
		endpoints := make([]modules.ID, people)
		for i := range owners {
			owners[i] = modules.NewID()
			w.people.follow(owners[i], author, 0, true)
			endpoints[i] = w.endpoint(s, owners[i]).ID
		}
		var wantEach int
		for range rounds {
			db := &mortalDB{DB: w.fix.DB, left: 20 + luck.IntN(150)}
			s := w.serviceOn(db, cfg, named{"hook", p.channel()})
			if err := s.Start(t.Context()); err != nil {
				t.Fatalf("start: %v", err)
			}
			e, _ := w.post(author)
			w.append(e)
			var list []storage.Entry
			for _, owner := range owners {
				n, _ := w.notification(owner, "like")
				list = append(list, n)
			}
			w.append(list...)
			wantEach += 2
			time.Sleep(time.Duration(luck.IntN(2000)) * time.Millisecond)
			db.kill()
			w.stop(s)
			time.Sleep(time.Second)
		}
		last := w.start(w.service(cfg, named{"hook", p.channel()}))
		time.Sleep(24 * time.Hour)

		ids := map[modules.ID]string{} // delivery -> event
		attempts := map[modules.ID]int{}
		for _, a := range p.all() {
			if before, ok := ids[a.d.ID]; ok && before != *a.event.ID {
				t.Fatalf("delivery %s was sent with %s and %s", a.d.ID, before, *a.event.ID)
			}
			ids[a.d.ID] = *a.event.ID
			attempts[a.d.ID]++
		}
		var dead, failed int
		for i, owner := range owners {
			list := w.deliveries(last, owner, endpoints[i])
			seen := map[string]bool{}
			for _, d := range list {
				if d.State != "succeeded" && d.State != "dead" {
					t.Errorf("a delivery is %s in the end: %+v", d.State, d)
				}
				if d.State == "dead" {
					dead++
				}
				if seen[*d.EventID] || ids[d.ID] != *d.EventID || len(d.Attempts) > attempts[d.ID] {
					t.Errorf("delivery %s of %s was sent %d times with %s, and has %d attempts", d.ID, *d.EventID, attempts[d.ID], ids[d.ID], len(d.Attempts))
				}
				seen[*d.EventID] = true
				failed += len(d.Attempts) - 1
			}
			if len(list) != wantEach {
				t.Errorf("person %d has %d deliveries, want %d: one for each event", i, len(list), wantEach)
			}
		}
		if dead == 0 || failed == 0 {
			t.Errorf("%d dead, %d failed attempts: nothing was put to the test", dead, failed)
		}
	})
}
