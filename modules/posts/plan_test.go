package posts

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/posts/timeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Every list and look-up has its index: no statement of a whole round through the service scans or sorts a table
// that grows.
func TestPlans(t *testing.T) {
	f := moduletest.Open(t, Migrations)
	ear := &listener{DB: f.DB, texts: map[string]int{}}
	s := New(DefaultConfig(), social.Site{}, ear, f.Bus, f.Clock, f.Pages)
	everybody := crowd{}
	s.Ports = Ports{Users: everybody, People: everybody, Follows: everybody, Log: event.Absent{},
		Limits: social.Unlimited{}}
	f.Bus.React(s.Reactions()...)
	ctx, a := t.Context(), social.Actor{UserID: social.NewID()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	top, err := s.Publish(ctx, a, Draft{Text: "@b one", Visibility: event.Followers}, nil)
	must(err)
	open, err := s.Publish(ctx, a, Draft{Text: "#one"}, nil)
	must(err)
	for _, words := range []string{"#two @b", "#three @c"} { // the crowd gives a name to another each time
		_, err = s.Edit(ctx, a, open.ID, Edit{Text: Change[string]{Set: true, Value: &words}}, "")
		must(err)
	}
	must(s.Delete(ctx, a, open.ID, ""))
	comment, err := s.Publish(ctx, a, Draft{Text: "two", ReplyTo: top.ID}, nil)
	must(err)
	below, err := s.Publish(ctx, a, Draft{Text: "three", ReplyTo: comment.ID}, nil)
	must(err)
	_, err = s.Like(ctx, a, top.ID, true)
	must(err)
	addressee := addressed(t, s, f, a)
	for _, id := range []social.ID{top.ID, comment.ID} {
		for _, newest := range []bool{true, false} {
			q := social.PageQuery{Limit: 1}
			l, err := s.Comments(ctx, a.UserID, id, newest, q)
			must(err)
			if l.Next != nil {
				q.Cursor = *l.Next
				_, err = s.Comments(ctx, a.UserID, id, newest, q)
				must(err)
			}
		}
	}
	for _, w := range []social.Window{{Limit: 1, Scan: 9}, {Limit: 1, Scan: 9, Rising: true}} {
		must(f.DB.Read(ctx, func(q storage.Querier) error {
			q = ear.hear(q)
			_, err := likesOf(ctx, q, 1, w)
			must(err)
			_, err = commentsOf(ctx, q, a.UserID, row{key: 2, rootKey: 1}, w)
			must(err)
			_, err = commentsOf(ctx, q, a.UserID, row{key: 1, rootKey: 1}, w)
			must(err)
			home, err := s.keys.Of(ctx, q, timeline.Sources{Edges: []social.FollowEdge{{User: a.UserID}}})
			must(err)
			_, err = home.WindowFor(ctx, addressee, w)
			must(err)
			for _, comments := range []bool{true, false} {
				for _, reader := range []social.ID{{}, a.UserID, social.NewID()} {
					j := &judge{s: s, q: q, reader: reader}
					spans, err := j.spansBy(ctx, a.UserID, comments)
					must(err)
					for _, media := range []bool{false, true} {
						_, err = j.keysBy(ctx, a.UserID, withMedia(spans, media), withMedia(closedSpans, media), comments, w)
						must(err)
					}
				}
			}
			_, err = localKeys(ctx, q, w)
			must(err)
			_, err = taggedKeys(ctx, q, "one", w)
			must(err)
			_, err = s.Info(ctx, q, []social.ID{top.ID, comment.ID})
			return err
		}))
	}
	for range 2 {
		_, _, err = s.Home(ctx, a.UserID, social.PageQuery{Limit: 5})
		must(err)
	}
	_, err = s.Like(ctx, a, top.ID, false)
	must(err)
	must(s.Delete(ctx, a, below.ID, ""))
	f.InTx(t, func(tx storage.Tx) error { return f.Bus.Emit(ctx, tx, event.UserDeleted{UserID: a.UserID}) })
	for more := true; more; {
		more, err = s.emptyDeletedUser(ctx)
		must(err)
	}
	if len(ear.texts) < 30 {
		t.Fatalf("heard only %d statements", len(ear.texts))
	}
	for text, args := range ear.texts {
		for _, step := range plan(t, f, text, args) {
			grows := !strings.Contains(step, "post_leavers") && !strings.Contains(step, "CONSTANT ROW") &&
				step != "SCAN wanted" && // storage.Values
				step != "SCAN a" && step != "SCAN authors" // what a recursive query has found
			sorts := strings.Contains(step, "TEMP B-TREE") && !strings.Contains(text, "post_leavers ORDER BY")
			wide := strings.Contains(step, "(rowid<?)") || strings.Contains(step, "(rowid>?)") // a scan in the order of keys
			if strings.HasPrefix(step, "SCAN") && grows || sorts || wide {
				t.Errorf("%s\n\tof %s", step, text)
			}
		}
	}
}

// addressed gives somebody to whom a, and then two others, have addressed a post.
func addressed(t *testing.T, s *Service, f *moduletest.Fixture, a social.Actor) (person social.ID) {
	t.Helper()
	for _, author := range []social.Actor{a, {UserID: social.NewID()}, {UserID: social.NewID()}} {
		p, err := s.Publish(t.Context(), author, Draft{Text: "@cleo", Visibility: event.Mentioned}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if author.UserID == a.UserID {
			person = p.Mentions[0].UserID
		}
		f.InTx(t, func(tx storage.Tx) error { // the crowd gives a name to another each time
			_, err := tx.Exec(t.Context(), `UPDATE post_mentions SET user_id = $1 WHERE user_id = $2`, person,
				p.Mentions[0].UserID)
			return err
		})
	}
	return person
}

func plan(t *testing.T, f *moduletest.Fixture, text string, args int) (steps []string) {
	t.Helper()
	f.InTx(t, func(tx storage.Tx) error {
		steps = nil
		rows, err := tx.Query(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, args)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, other int
			var step string
			if err := rows.Scan(&id, &parent, &other, &step); err != nil {
				return err
			}
			steps = append(steps, step)
		}
		return rows.Err()
	})
	return steps
}

// listener is a store that remembers the texts it was asked.
type listener struct {
	storage.DB
	mu    sync.Mutex
	texts map[string]int // to the number of arguments
}

func (l *listener) note(text string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts[text] = len(args)
}

func (l *listener) hear(q storage.Querier) storage.Querier { return heard{q, l} }

func (l *listener) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	return l.DB.Read(ctx, func(q storage.Querier) error { return fn(heard{q, l}) })
}

func (l *listener) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	return l.DB.InTx(ctx, func(tx storage.Tx) error { return fn(heardTx{tx, l}) })
}

type heard struct {
	storage.Querier
	l *listener
}

func (h heard) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	h.l.note(text, args)
	return h.Querier.Query(ctx, text, args...)
}

func (h heard) QueryRow(ctx context.Context, text string, args ...any) storage.Row {
	h.l.note(text, args)
	return h.Querier.QueryRow(ctx, text, args...)
}

type heardTx struct {
	storage.Tx
	l *listener
}

func (h heardTx) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	h.l.note(text, args)
	return h.Tx.Query(ctx, text, args...)
}

func (h heardTx) QueryRow(ctx context.Context, text string, args ...any) storage.Row {
	h.l.note(text, args)
	return h.Tx.QueryRow(ctx, text, args...)
}

func (h heardTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	h.l.note(text, args)
	return h.Tx.Exec(ctx, text, args...)
}

// crowd is a town in which everybody is there, and follows nobody but is followed.
type crowd struct{ event.Absent }

func (crowd) Refs(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	out := map[social.ID]social.UserRef{}
	for _, id := range ids {
		out[id] = social.UserRef{ID: id}
	}
	return out, nil
}

func (c crowd) RefsByName(_ context.Context, _ storage.Querier, names []string) (map[string]social.UserRef, error) {
	out := map[string]social.UserRef{}
	for _, n := range names {
		out[n] = social.UserRef{ID: social.NewID(), Username: n}
	}
	return out, nil
}

func (crowd) Views(context.Context, storage.Querier, social.ID, []social.ID) ([]social.User, error) {
	return nil, nil
}
