package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// asked is one request of a goroutine, and when it was answered.
func asked(s *site, query string, headers ...string) chan answer {
	out := make(chan answer, 1)
	go func() { out <- s.get(query, headers...) }()
	return out
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me, author := social.NewID(), social.NewID()
		w.people.follow(me, author, 0, true)
		service := w.start(w.service(defaults()))
		s := newSite(t, service, social.Actor{UserID: me})

		began := time.Now()
		got := asked(s, "?wait=20")
		synctest.Wait()
		other, _ := w.notification(social.NewID(), "like")
		w.append(other)
		synctest.Wait()
		select {
		case a := <-got:
			t.Fatalf("somebody else's event ended the wait: %s", a.body)
		default:
		}
		time.Sleep(3 * time.Second)
		e, _ := w.post(author)
		w.append(e)
		if p := (<-got).page(t); p.ids() != "1-2" || p.Next != "1-2" || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: [%s] next %s, want 1-2 at once when it came", time.Since(began), p.ids(), p.Next)
		}

		began = time.Now()
		a := <-asked(s, "?after=1-2", "Prefer", "wait=7", "If-None-Match", `"e-1-2"`)
		if p := a.page(t); p.ids() != "" || p.Next != "1-2" || time.Since(began) != 7*time.Second {
			t.Errorf("after %s: [%s] next %s, want an empty page at the deadline", time.Since(began), p.ids(), p.Next)
		}
		if got := a.header.Get("Preference-Applied"); got != "wait=7" {
			t.Errorf("Preference-Applied is %q", got)
		}
		if n, _ := service.Connections.Count(); n != 0 {
			t.Errorf("%d connections are counted after the last answer", n)
		}
	})
}

func TestHeadDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newSite(t, w.start(w.service(defaults())), social.Actor{UserID: social.NewID()})
		began := time.Now()
		if a := s.do("HEAD", "?wait=30"); a.status != 200 || a.body != "" || time.Since(began) != 0 {
			t.Errorf("HEAD gave %d %q after %s, want 200 at once", a.status, a.body, time.Since(began))
		}
	})
}

func TestLongPollFollowsAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me, author := social.NewID(), social.NewID()
		s := newSite(t, w.start(w.service(defaults())), social.Actor{UserID: me})
		got := asked(s, "?wait=20")
		synctest.Wait()
		w.people.follow(me, author, 1, true)
		w.append(storage.Entry{Stream: social.Stream{Kind: social.To, User: me}, Type: social.EventAudienceChanged,
			Internal: true, Data: []byte(`{}`)})
		synctest.Wait()
		e, _ := w.post(author)
		w.append(e)
		if p := (<-got).page(t); p.ids() != "1-2" {
			t.Errorf("gave [%s], want the post of the one followed meanwhile", p.ids())
		}
	})
}

func TestLongPollEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *world, s *delivery.Service, a social.Actor)
		want string // a fault; "" = an empty page
	}{
		{"over the cap", func(w *world, s *delivery.Service, a social.Actor) {
			for range 10 {
				if _, ok := s.Connections.Open(a, func(plugins.ByeReason) {}); !ok {
					w.t.Error("refused")
				}
			}
		}, ""},
		{"drain", func(w *world, s *delivery.Service, _ social.Actor) { s.Drain(w.t.Context()) }, ""},
		{"revoked (W33)", func(w *world, _ *delivery.Service, a social.Actor) {
			session := a.SessionID.String()
			w.revoke(a.UserID, social.AccessRevokedData{SessionID: &session})
		}, "invalid_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				me := social.Actor{UserID: social.NewID(), SessionID: social.NewID()}
				service := w.start(w.service(defaults()))
				s := newSite(t, service, me)
				got := asked(s, "?wait=60")
				synctest.Wait()
				tt.end(w, service, me)
				began := time.Now()
				a := <-got
				if d := time.Since(began); d > time.Second {
					t.Errorf("answered after %s", d)
				}
				if tt.want != "" {
					if a.body != tt.want {
						t.Errorf("answer is %d %q, want %q", a.status, a.body, tt.want)
					}
				} else if p := a.page(t); p.ids() != "" {
					t.Errorf("gave [%s], want an empty page", p.ids())
				}
			})
		})
	}
}

func TestLongPollOverTotalCap(t *testing.T) {
	w := newWorld(t)
	cfg := defaults()
	cfg.MaxStreams = 0
	s := newSite(t, w.service(cfg), social.Actor{UserID: social.NewID()})
	if a := s.get("?wait=1"); a.body != "overloaded" {
		t.Errorf("answer is %d %q, want overloaded", a.status, a.body)
	}
}

func TestAfterDrainNobodyWaits(t *testing.T) {
	w := newWorld(t)
	service := w.service(defaults())
	s := newSite(t, service, social.Actor{UserID: social.NewID()})
	service.Drain(t.Context())
	for _, query := range []string{"", "?wait=30"} {
		if a := s.get(query); a.body != "unavailable" {
			t.Errorf("%q: %d %q, want unavailable", query, a.status, a.body)
		}
	}
}

// TestEndOfAnAccount: whoever followed is told that an account has ended, whatever they want of posts, and at once when
// they wait; others are not.
func TestEndOfAnAccount(t *testing.T) {
	for _, posts := range []string{"notify", "all", "none"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			fan, other, author := social.NewID(), social.NewID(), social.NewID()
			w.people.follow(fan, author, 1, false)
			s := w.start(w.service(defaults()))
			w.append(storage.Entry{Stream: social.Stream{Kind: social.To, User: other}, Type: social.EventNotification,
				Data: []byte(`{}`)})
			e, _ := w.post(author) // the log may still show it for a moment
			w.append(e)
			waiting := newSite(t, s, social.Actor{UserID: fan})
			got := asked(waiting, "?wait=20&posts="+posts)
			bystander := asked(newSite(t, s, social.Actor{UserID: other}), "?wait=20&posts="+posts)
			synctest.Wait()
			w.people.end(author, 2)
			w.append(storage.Entry{Stream: social.Stream{Kind: social.By, User: author}, Type: social.EventUserDeleted,
				Data: []byte(`{"id":"` + author.String() + `"}`)})
			began := time.Now()
			if p := (<-got).page(t); p.ids() != "1-3" || time.Since(began) != 0 {
				t.Errorf("posts=%s: waited %v for [%s], want the end at once", posts, time.Since(began), p.ids())
			}
			if p := waiting.get("?after=1-0&posts=" + posts).page(t); p.ids() != "1-3" {
				t.Errorf("posts=%s: a poll gives [%s], want the end", posts, p.ids())
			}
			if p := waiting.get("?after=1-0&types=post&posts=" + posts).page(t); p.ids() != "" {
				t.Errorf("posts=%s: types=post gives [%s]", posts, p.ids())
			}
			if p := waiting.get("?after=1-0&types=user&posts=" + posts).page(t); p.ids() != "1-3" {
				t.Errorf("posts=%s: types=user gives [%s]", posts, p.ids())
			}
			if p := (<-bystander).page(t); p.ids() != "" {
				t.Errorf("posts=%s: a stranger is told of [%s]", posts, p.ids())
			}
		})
	}
}
