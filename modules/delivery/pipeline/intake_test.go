package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

func TestIntakeGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me := social.NewID()
		s := w.service(exact(), named{"hook", p.channel()})
		endpoint := w.endpoint(s, me)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		w.stop(s)
		for range 3 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		s = w.start(w.service(exact(), named{"hook", p.channel()}))
		settle()
		if got := states(w.deliveries(s, me, endpoint.ID)); got != "succeeded succeeded succeeded succeeded" ||
			len(p.all()) != 4 {
			t.Errorf("deliveries are %s after %d attempts, want what came while it was down, once", got, len(p.all()))
		}
	})
}

// After a restore the log has another epoch and the same positions: nothing is sent twice, nothing is left out.
func TestIntakeSurvivesANewEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me := social.NewID()
		s := w.service(exact(), named{"hook", p.channel()})
		endpoint := w.endpoint(s, me)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, _ := w.notification(me, "like")
		w.append(first)
		settle()
		w.stop(s)
		if err := w.log.Reset(t.Context(), social.Epochs{{Number: 77}}, 0); err != nil {
			t.Fatal(err)
		}
		second, _ := w.notification(me, "like")
		w.position.Store(0)
		w.append(first, second)
		s = w.start(w.service(exact(), named{"hook", p.channel()}))
		settle()
		list := w.deliveries(s, me, endpoint.ID)
		if len(list) != 2 || *list[1].EventID != "77-2" || len(p.all()) != 2 {
			t.Errorf("%d deliveries, %d attempts; want one for each event", len(list), len(p.all()))
		}
	})
}

// A mark may stand in the span of an epoch that is over for two restarts, as nothing that came since made a delivery.
// What comes then is sent once, and so is what came while nothing ran.
func TestIntakeGoesOnFromAnOldSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me, nobody := social.NewID(), social.NewID()
		var endpoint pipeline.Endpoint
		run := func(epoch uint32, before, during []social.ID) *service {
			begin := social.Epoch{Number: epoch, After: social.Position(w.position.Load())}
			add := func(people []social.ID) {
				for _, who := range people {
					e, _ := w.notification(who, "like")
					e.Epoch = begin
					w.append(e)
				}
			}
			add(before)
			s := w.service(exact(), named{"hook", p.channel()})
			if endpoint.ID.IsZero() {
				endpoint = w.endpoint(s, me)
			}
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			add(during)
			settle()
			w.stop(s)
			return s
		}
		run(1, nil, []social.ID{me, nobody})
		run(77, []social.ID{nobody}, []social.ID{nobody})
		run(55, []social.ID{nobody, me}, []social.ID{nobody, me})
		s := run(66, nil, nil)
		var events []string
		for _, d := range w.deliveries(s, me, endpoint.ID) {
			events = append(events, *d.EventID+" "+string(d.State))
		}
		want := []string{"1-1 succeeded", "55-6 succeeded", "55-8 succeeded"}
		if slices.Sort(events); !slices.Equal(events, want) || len(p.all()) != 3 {
			t.Errorf("deliveries are %v after %d attempts, want %v", events, len(p.all()), want)
		}
	})
}

func TestIntakeGoesOnBehindWhatWasTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me := social.NewID()
		s := w.service(exact(), named{"hook", p.channel()})
		endpoint := w.endpoint(s, me)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stop(s)
		for range 5 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		if _, err := w.log.Trim(t.Context(), 3, 10); err != nil {
			t.Fatal(err)
		}
		s = w.start(w.service(exact(), named{"hook", p.channel()}))
		time.Sleep(5 * time.Second)
		if list := w.deliveries(s, me, endpoint.ID); len(list) != 2 || *list[0].EventID != "1-4" {
			t.Errorf("deliveries are %+v, want those of 1-4 and 1-5", list)
		}
	})
}

// Without senders nothing is kept for later: a channel that is switched on again does not send old news.
func TestNothingIsMadeUpForWithoutSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me := social.NewID()
		hook := named{"hook", p.channel()}
		s := w.service(exact(), hook)
		w.endpoint(s, me)
		for _, channels := range [][]named{{hook}, nil, {hook}} {
			s := w.service(exact(), channels...)
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if channels == nil {
				e, _ := w.notification(me, "like")
				w.append(e)
			}
			settle()
			w.stop(s)
		}
		if got := p.all(); len(got) != 0 {
			t.Errorf("%d attempts for an event that came while no sender was there", len(got))
		}
	})
}

// Events that came while an endpoint was off are judged again after a restart, and are still not for it.
func TestWhatCameWhileItWasOffIsNotForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		me := social.NewID()
		s := w.service(exact(), named{"hook", p.channel()})
		endpoint := w.endpoint(s, me)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		off, on := false, true
		if _, err := s.ChangeEndpoint(t.Context(), me, endpoint.ID, pipeline.EndpointPatch{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		w.stop(s)
		s = w.service(exact(), named{"hook", p.channel()})
		if _, err := s.ChangeEndpoint(t.Context(), me, endpoint.ID, pipeline.EndpointPatch{Enabled: &on}); err != nil {
			t.Fatal(err)
		}
		w.start(s)
		settle()
		if got := p.all(); len(got) != 0 {
			t.Errorf("%d attempts, want none for what came while it was off", len(got))
		}
	})
}

func TestStopCutsAttemptsOffWithoutCountingThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		me := social.NewID()
		var p postman
		slow := p.channel()
		slow.send = func(ctx context.Context, _ plugins.Delivery) error { <-ctx.Done(); return ctx.Err() }
		s := w.service(exact(), named{"hook", slow})
		endpoint := w.endpoint(s, me)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		w.stop(s)
		if d := w.deliveries(s, me, endpoint.ID)[0]; d.State != "pending" || len(d.Attempts) != 0 {
			t.Errorf("after stop the delivery is %+v, want pending without an attempt", d)
		}
		began := time.Now()
		s = w.start(w.service(exact(), named{"hook", p.channel()}))
		settle()
		if d := w.deliveries(s, me, endpoint.ID)[0]; d.State != "succeeded" || time.Since(began) > time.Second {
			t.Errorf("after the next start the delivery is %s, want it taken at once", d.State)
		}
	})
}
