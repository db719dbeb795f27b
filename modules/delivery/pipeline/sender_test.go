package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

func TestNotificationReachesTheEndpointsThatWantIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, other := social.NewID(), social.NewID()
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
		settle()
		for _, tt := range []struct {
			endpoint pipeline.Endpoint
			want     int
		}{{all, 2}, {likes, 2}} {
			list := w.deliveries(s, me, tt.endpoint.ID)
			if len(list) != tt.want || list[0].State != "succeeded" || *list[0].EventID != at.String() ||
				*list[0].NotificationID != id ||
				list[0].EventType != social.EventNotification || len(list[0].Attempts) != 1 ||
				list[0].Attempts[0].Outcome != "ok" || list[0].FinishedAt == nil {
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
		me := social.NewID()
		w.endpoint(s, me)
		joined, _ := w.notification(me, "like")
		joined.Type = social.EventNotificationUpdated
		revived := storage.Entry{Stream: joined.Stream, Type: social.EventNotificationUpdated, Data: []byte(fmt.Sprintf(
			`{"id":%q,"type":"like","created_at":"2026-05-04T10:11:12.345Z","updated_at":"2026-05-04T10:11:13.345Z"}`,
			social.NewID()))}
		w.append(revived, joined)
		settle()
		if got := p.all(); len(got) != 1 || *got[0].event.ID != "1-2" {
			t.Errorf("sent %+v, want only the row that joined a group", got)
		}
	})
}

func TestWithdrawnIsCancelledBeforeTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, author := social.NewID(), social.NewID()
		w.people.follow(me, author, 0, true)
		endpoint := w.endpoint(s, me)
		note, noteID := w.notification(me, "like")
		redacted, _ := w.notification(me, "like")
		deleted, deletedID := w.post(author)
		at := w.append(note)
		w.append(redacted)
		w.append(deleted)
		settle()
		w.people.withdraw(noteID)
		w.people.withdraw(deletedID)
		w.append(storage.Entry{Op: storage.OpRedact, Targets: []social.Position{at.Seq + 1}})
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
		me := social.NewID()
		endpoint := w.endpoint(s, me)
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		if _, err := w.log.Trim(t.Context(), 1, 10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		d := w.deliveries(s, me, endpoint.ID)[0]
		if d.State != "dead" || len(d.Attempts) != 2 || d.Attempts[1].Outcome != "permanent" ||
			!strings.Contains(d.Attempts[1].Detail, "older") {
			t.Errorf("delivery is %+v, want dead, saying why", d)
		}
	})
}

func TestHangingEndpointCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me, hung := social.NewID(), social.NewID()
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
		cfg.Workers = 4 // of which new endpoints share 2
		s := w.start(w.service(cfg, named{"hook", ch}))
		w.endpoint(s, me)
		bad := w.endpoint(s, hung)
		var list []storage.Entry
		for range 50 {
			e, _ := w.notification(hung, "like")
			list = append(list, e)
		}
		w.append(list...)
		settle()
		began := time.Now()
		for range 20 {
			e, _ := w.notification(me, "like")
			more, _ := w.notification(hung, "like") // while its attempt is under way
			w.append(e, more)
		}
		settle()
		got := p.all()
		if len(got) != 20 || time.Since(began) > time.Second {
			t.Errorf("%d of 20 were sent beside the endpoint that hangs, in %s", len(got), time.Since(began))
		}
		for i := 1; i < len(got); i++ {
			if cursorOf(t, got[i]).Seq <= cursorOf(t, got[i-1]).Seq {
				t.Errorf("%s was sent after %s", *got[i].event.ID, *got[i-1].event.ID)
			}
		}
		time.Sleep(20 * time.Second)
		p.mu.Lock()
		if most != 1 {
			t.Errorf("%d attempts at once for one endpoint, want 1", most)
		}
		p.mu.Unlock()
		if d := w.deliveries(s, hung, bad.ID)[0]; d.Attempts[0].Outcome != "timeout" || d.Attempts[0].DurationMS != 15_000 {
			t.Errorf("attempt is %+v, want a timeout after 15 s", d.Attempts[0])
		}
		if h := s.Health(); !h[0].OK() {
			t.Errorf("health is %+v; what an endpoint does is not the channel's fault", h)
		}
	})
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
				cfg.Workers = 3
				s := w.service(cfg, named{"bad", bad}, named{"hook", p.channel()})
				if err := s.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer func() { // a call that hangs is left behind, and named
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					if err := s.Stop(ctx); (err != nil) != (name != "panics") || err != nil && !strings.HasPrefix(err.Error(),
						"channel bad: ") {
						t.Errorf("stop gave %v", err)
					}
					time.Sleep(time.Minute)
				}()
				for range 8 {
					me := social.NewID()
					if _, err := s.AddEndpoint(t.Context(), me, pipeline.EndpointDraft{Channel: "bad",
						Settings: json.RawMessage(`{}`)}, nil); err != nil {
						t.Fatal(err)
					}
					w.endpoint(s, me)
					e, _ := w.notification(me, "like")
					w.append(e)
				}
				settle()
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
				if h := s.Health(); h[0].State != "open" || !h[1].OK() || before < 5 || before > 7 {
					t.Errorf("after %d calls health is %+v, want the first open after 5, and those that were under way then", before,
						h)
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
		me := social.NewID()
		endpoint := w.endpoint(s, me, "follow")
		d, err := s.TestEndpoint(t.Context(), me, endpoint.ID, nil)
		if err != nil || d.State != "pending" || d.EventID != nil || d.EventType != "test" || d.NotificationID != nil {
			t.Errorf("answer is %+v, %v", d, err)
		}
		time.Sleep(24 * time.Hour)
		got := p.all()
		want := `{"id":null,"type":"test","time":"` + d.CreatedAt.String() + `","data":{"message":"test"}}`
		if len(got) != 1 || string(got[0].d.Event) != want {
			t.Errorf("sent %+v, want one test", got)
		}
		if d, _ := s.Delivery(t.Context(), me, endpoint.ID, d.ID); d.State != "dead" || *d.Attempts[0].HTTPStatus != 500 ||
			d.Attempts[0].Detail != "the server said no" {
			t.Errorf("the test delivery is %+v, want dead", d)
		}
	})
}
