package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// The waits of api.md, section 5: at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return errors.New("secret of the channel") }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me := social.NewID()
		endpoint := w.endpoint(s, me)
		e, _ := w.notification(me, "like")
		w.append(e)
		time.Sleep(4 * 24 * time.Hour)
		got := p.all()
		var waits []time.Duration
		for i := 1; i < len(got); i++ {
			waits = append(waits, got[i].at.Sub(got[i-1].at))
			if got[i].d.ID != got[0].d.ID || got[i].d.Attempt != i+1 || string(got[i].d.Event) != string(got[0].d.Event) {
				t.Errorf("attempt %d is of %s, number %d; want %s with the same body", i+1, got[i].d.ID, got[i].d.Attempt,
					got[0].d.ID)
			}
		}
		if want := pipeline.DefaultConfig().Schedule; !slices.Equal(waits, want) {
			t.Errorf("waits are %v, want %v", waits, want)
		}
		d := w.deliveries(s, me, endpoint.ID)[0]
		if d.State != "dead" || d.NextAttemptAt != nil || len(d.Attempts) != 10 || d.FinishedAt == nil {
			t.Errorf("in the end the delivery is %+v, want dead after 10 attempts", d)
		}
		if d.Attempts[0].Outcome != "channel_error" || strings.Contains(fmt.Sprint(d.Attempts), "secret") {
			t.Errorf("attempts show %+v; text of the channel's errors must not be shown", d.Attempts[0])
		}
		if e, _ := s.Endpoint(t.Context(), me, endpoint.ID); e.State != "failing" || e.FailingSince == nil ||
			e.LastFailureAt == nil {
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
		cfg := pipeline.DefaultConfig()
		cfg.Schedule = []time.Duration{100 * time.Second}
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		began := time.Now()
		for range 40 {
			me := social.NewID()
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
		{"retry after", plugins.RetryAfter(failure{"http_status", 429}, 10*time.Minute), 3, "pending", 10 * time.Minute,
			"http_status", "failing"},
		{"retry sooner than the schedule", plugins.RetryAfter(failure{"http_status", 503}, time.Second), 4, "pending",
			5 * time.Second, "http_status", "failing"},
		{"retry too late", plugins.RetryAfter(failure{"http_status", 503}, 100*24*time.Hour), 1, "pending", 0, "http_status",
			"failing"},
		{"no answer in time", fmt.Errorf("post: %w", context.DeadlineExceeded), 4, "pending", 5 * time.Second, "timeout",
			"failing"},
		{"blocked", fmt.Errorf("dial: %w", plugins.ErrBlockedAddress), 4, "pending", 5 * time.Second, "blocked_address",
			"failing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := postman{answer: func(plugins.Delivery) error { return tt.err }}
				s := w.start(w.service(exact(), named{"hook", p.channel()}))
				me := social.NewID()
				endpoint := w.endpoint(s, me)
				e, _ := w.notification(me, "like")
				w.append(e)
				time.Sleep(45 * time.Minute)
				got := p.all()
				d := w.deliveries(s, me, endpoint.ID)[0]
				if len(got) != tt.attempts || d.State != tt.state || len(d.Attempts) != tt.attempts ||
					d.Attempts[0].Outcome != tt.outcome {
					t.Errorf("%d attempts, %s, %+v; want %d, %s, outcome %s", len(got), d.State, d.Attempts, tt.attempts, tt.state,
						tt.outcome)
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
		me := social.NewID()
		endpoint := w.endpoint(s, me)
		batch := make([]storage.Entry, 3)
		for i := range batch {
			batch[i], _ = w.notification(me, "like")
		}
		w.append(batch...)
		time.Sleep(time.Hour)
		e, _ := w.notification(me, "like")
		w.append(e)
		time.Sleep(time.Hour)
		list := w.deliveries(s, me, endpoint.ID)
		if len(p.all()) != 1 || len(list) != 3 || strings.Contains(states(list), "pending") {
			t.Errorf("%d attempts, deliveries %s; want one attempt and nothing waiting", len(p.all()), states(list))
		}
		shown, _ := s.Endpoint(t.Context(), me, endpoint.ID)
		if shown.Enabled || shown.DisabledReason == nil || *shown.DisabledReason != "gone" {
			t.Errorf("endpoint is %+v, want disabled: gone", shown)
		}
		if _, err := s.RetryDelivery(t.Context(), me, endpoint.ID, list[0].ID); !social.IsFault(err,
			social.CodeInvalidState) {
			t.Errorf("retry on a disabled endpoint gave %v, want invalid_state", err)
		}
		// Switched on again, the dead letter can be tried by hand, and new events come.
		p.answers(nil)
		on := true
		if shown, err := s.ChangeEndpoint(t.Context(), me, endpoint.ID, pipeline.EndpointPatch{Enabled: &on}); err != nil ||
			shown.State != "active" {
			t.Errorf("switching on gave %+v, %v", shown, err)
		}
		if d, err := s.RetryDelivery(t.Context(), me, endpoint.ID, list[0].ID); err != nil || d.State != "pending" {
			t.Errorf("retry gave %+v, %v", d, err)
		}
		again, _ := w.notification(me, "like")
		w.append(again)
		settle()
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
		me := social.NewID()
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

// An endpoint for which more waits than may is switched off when it fails once more, and not one that fails beside a
// backlog that may be.
func TestBacklogEnds(t *testing.T) {
	for waiting, off := range map[int]bool{3: false, 4: true} { // and one that is tried
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
			cfg := exact()
			cfg.PendingPerEndpoint = 4
			s := w.start(w.service(cfg, named{"hook", p.channel()}))
			me := social.NewID()
			endpoint := w.endpoint(s, me)
			for range waiting + 1 {
				e, _ := w.notification(me, "like")
				w.append(e)
			}
			settle()
			shown, err := s.Endpoint(t.Context(), me, endpoint.ID)
			if err != nil || shown.Enabled == off {
				t.Errorf("%d wait: enabled is %v, %v", waiting, shown.Enabled, err)
			}
			if told := w.people.systemNotices(); off != (len(told) == 1 && strings.Contains(told[0], "more waits for it")) {
				t.Errorf("%d wait: told %q", waiting, told)
			}
		})
	}
}
