package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

func TestDeletedEndpointAndAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		w.fix.Bus.React(s.Reactions()...)
		me, leaver := social.NewID(), social.NewID()
		mine, theirs := w.endpoint(s, me), w.endpoint(s, leaver)
		for range 250 { // more than one page of what is dropped
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		e, _ := w.notification(leaver, "like")
		w.append(e)
		settle()
		first := len(p.all())
		if err := s.RemoveEndpoint(t.Context(), me, mine.ID); err != nil {
			t.Fatal(err)
		}
		w.fix.InTx(t, func(tx storage.Tx) error {
			return w.fix.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: leaver, At: w.clock.Now()})
		})
		for _, id := range []social.ID{mine.ID, theirs.ID} {
			for _, owner := range []social.ID{me, leaver} {
				if _, err := s.Endpoint(t.Context(), owner, id); !social.IsFault(err, social.CodeNotFound) {
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
		cfg := exact()
		cfg.Keep = 24 * time.Hour // shorter than the schedule: what waits is kept however old it is
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		me := social.NewID()
		endpoint := w.endpoint(s, me)
		for range 450 {
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		time.Sleep(20 * time.Hour)
		p.answers(func(plugins.Delivery) error { return failure{"http_status", 500} })
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		w.runJobs(s)
		if n := len(w.deliveries(s, me, endpoint.ID)); n != 451 {
			t.Errorf("%d deliveries after 20 hours, want all 451", n)
		}
		time.Sleep(25 * time.Hour)
		w.runJobs(s)
		if got := states(w.deliveries(s, me, endpoint.ID)); got != "pending" {
			t.Errorf("after two days deliveries are %q, want the pending one", got)
		}
		if got := w.count(`SELECT COUNT(*) FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)`); got != 0 {
			t.Errorf("%d attempts are left behind", got)
		}
	})
}
