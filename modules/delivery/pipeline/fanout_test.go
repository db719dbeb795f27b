package pipeline_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

func TestPostReachesBellFollowersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		author := social.NewID()
		people := map[string]social.ID{}
		for _, name := range []string{"bell", "silent", "late", "stranger", "mentioned", "no posts", "unfollows"} {
			people[name] = social.NewID()
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
		settle()
		got := p.all()
		if len(got) != 1 || got[0].d.Receiver != people["bell"] || got[0].event.Type != social.EventPostCreated {
			t.Fatalf("sent %+v, want the post to the one with the bell", got)
		}
		if n := w.count(`SELECT COUNT(*) FROM deliveries`); n != 1 {
			t.Errorf("%d deliveries were made, want none but the one sent", n)
		}
		l, _ := s.Endpoints(t.Context(), people["bell"], social.PageQuery{Limit: 5})
		if d := w.deliveries(s, people["bell"], l.Items[0].ID)[0]; *d.NotificationID != id {
			t.Errorf("notification id is %s, want the post's own %s", d.NotificationID, id)
		}
	})
}

// torn is a log of which one record is damaged.
type torn struct {
	storage.Log
	at social.Position
}

func (l torn) At(ctx context.Context, p social.Position) (social.Event, bool, error) {
	if p == l.at {
		return social.Event{}, false, &social.GapError{Reason: social.GapDamaged, To: social.Cursor{Epoch: 1, Seq: p}}
	}
	return l.Log.At(ctx, p)
}

func TestDamagedPostHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var p postman
		s := w.serviceWith(w.fix.DB, torn{w.log, 1}, exact(), named{"hook", p.channel()})
		w.start(s)
		me, author := social.NewID(), social.NewID()
		w.people.follow(me, author, 0, true)
		w.endpoint(s, me)
		damaged, _ := w.post(author)
		next, _ := w.post(author)
		w.append(damaged, next)
		time.Sleep(time.Minute)
		if got := p.all(); len(got) != 1 || *got[0].event.ID != "1-2" {
			t.Errorf("sent %+v, want the post at 1-2", got)
		}
	})
}

func TestUnfollowStopsTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return failure{"http_status", 500} }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		me, author := social.NewID(), social.NewID()
		w.people.follow(me, author, 0, true)
		endpoint := w.endpoint(s, me)
		e, _ := w.post(author)
		w.append(e)
		settle()
		w.people.unfollow(me, author)
		time.Sleep(time.Hour)
		if got := states(w.deliveries(s, me, endpoint.ID)); len(p.all()) != 1 || got != "cancelled" {
			t.Errorf("%d attempts, %s; want one and cancelled", len(p.all()), got)
		}
	})
}

// A fan-out that was under way when the authors' line came is still carried on.
func TestFanOutOfBeforeTheLine(t *testing.T) {
	const first = "sqlite/0001_init.up.sql"
	text, err := fs.ReadFile(pipeline.Migrations.FS, first)
	if err != nil {
		t.Fatal(err)
	}
	f := moduletest.Open(t, storage.Migrations{Owner: pipeline.Migrations.Owner,
		FS: fstest.MapFS{first: {Data: text}}})
	f.InTx(t, func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO fanouts (position) VALUES (7), (9)`)
		return err
	})
	if err := storage.MigrateAll(t.Context(), f.DB, pipeline.Migrations); err != nil {
		t.Fatal(err)
	}
	f.Read(t, func(q storage.Querier) error {
		var position, turn int64
		var author social.ID
		err := q.QueryRow(t.Context(), `SELECT position, author_id, turn FROM fanouts WHERE turn IS NOT NULL`).
			Scan(&position, &author, &turn)
		if position != 7 || !author.IsZero() {
			t.Errorf("the line begins with %d of %s", position, author)
		}
		return err
	})
}
