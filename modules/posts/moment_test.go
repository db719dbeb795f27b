package posts

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// overheard is posts on a store that remembers what it was asked.
func overheard(t *testing.T) (*Service, *moduletest.Fixture, *listener) {
	f := moduletest.Open(t, Migrations)
	ear := &listener{DB: f.DB, texts: map[string]int{}}
	s := New(DefaultConfig(), social.Site{}, ear, f.Bus, f.Clock, f.Pages, zap.NewNop())
	s.Ports = Ports{Users: crowd{}, Follows: crowd{}, History: noHistory{}}
	return s, f, ear
}

// Whatever changes what is on a page, the next page shows it; a page on which nothing has changed asks the store
// nothing, or only which posts the reader likes.
func TestHomeFromMemory(t *testing.T) {
	s, f, ear := overheard(t)
	a, other := social.Actor{UserID: social.NewID()}, social.Actor{UserID: social.NewID()}
	var of Post
	publish := func(by social.Actor, d Draft) func() error {
		return func() (err error) {
			of, err = s.Publish(t.Context(), by, d, nil)
			return err
		}
	}
	like := func(by social.Actor, on bool) func() error {
		return func() error {
			_, err := s.Like(t.Context(), by, of.ID, on)
			return err
		}
	}
	for _, step := range []struct {
		name            string
		act             func() error
		posts           int
		likes, comments int64
		liked           bool
		later           int // statements when it is read again
	}{
		{"nothing there", func() error { return nil }, 0, 0, 0, false, 0},
		{"a post", publish(a, Draft{Text: "one"}), 1, 0, 0, false, 0},
		{"a like", like(other, true), 1, 1, 0, false, 1},
		{"my like", like(a, true), 1, 2, 0, true, 1},
		{"a like taken back", like(other, false), 1, 1, 0, true, 1},
		{"mine too", like(a, false), 1, 0, 0, false, 0},
		{"a comment", func() error {
			_, err := s.Publish(t.Context(), other, Draft{Text: "two", ReplyTo: of.ID}, nil)
			return err
		}, 1, 0, 1, false, 0},
		{"a like and the liker's end", func() error {
			err := like(other, true)()
			f.InTx(t, func(tx storage.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO post_leavers (user_id, at) VALUES ($1, 1)`, other.UserID)
				return err
			})
			for more := true; more && err == nil; {
				more, err = s.emptyLeaver(t.Context())
			}
			return err
		}, 1, 0, 0, false, 0},
		{"for named people", publish(a, Draft{Text: "@bob", Visibility: event.Mentioned}), 2, 0, 0, false, 0},
		{"deleted", func() error { return s.Delete(t.Context(), a, of.ID, "") }, 1, 0, 0, false, 0},
	} {
		if err := step.act(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for again := range 2 {
			clear(ear.texts)
			l, _, err := s.Home(t.Context(), a.UserID, social.PageQuery{Limit: 5})
			if err != nil || len(l.Items) != step.posts {
				t.Fatalf("%s: %d posts, %v; want %d", step.name, len(l.Items), err, step.posts)
			}
			if step.posts > 0 {
				p := l.Items[0]
				if p.LikeCount != step.likes || p.CommentCount != step.comments || p.Viewer.Liked != step.liked {
					t.Errorf("%s: %d likes, %d comments, mine: %v", step.name, p.LikeCount, p.CommentCount, p.Viewer.Liked)
				}
			}
			if again == 1 && len(ear.texts) != step.later {
				t.Errorf("%s: read again it makes %d statements, want %d: %v", step.name, len(ear.texts), step.later, ear.texts)
			}
		}
	}
}

// From the statement that changes something until the transaction has ended, memory says nothing of it, and what a
// reader learned before says nothing of later.
func TestNothingIsSaidOfWhatChanges(t *testing.T) {
	s, _, _ := overheard(t)
	a := social.Actor{UserID: social.NewID()}
	p, err := s.Publish(t.Context(), a, Draft{Text: "one"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	home := func() error {
		_, err := s.homeNow(t.Context(), a.UserID, social.PageQuery{Limit: 5}, moment{s.changes.now(), 1})
		return err
	}
	read := func() {
		if _, _, err := s.Home(t.Context(), a.UserID, social.PageQuery{Limit: 5}); err != nil || home() != nil {
			t.Fatal(err, home())
		}
	}
	undone := errors.New("undone")
	for name, change := range map[string]func(tx *changing, r row) error{
		"a like":    func(tx *changing, r row) error { _, err := insertLike(t.Context(), tx, r.key, a.UserID, 1); return err },
		"its count": func(tx *changing, r row) error { return countLike(t.Context(), tx, r.key, 1) },
		"a comment": func(tx *changing, r row) error { return countComment(t.Context(), tx, r, 1) },
		"an end":    func(tx *changing, r row) error { return emptyRow(t.Context(), tx, r, r.key+1000, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			read()
			err := s.inTx(t.Context(), func(tx *changing) error {
				r, _, err := ownRow(t.Context(), tx, a.UserID, p.ID)
				err = errors.Join(undone, err, change(tx, r), wantErr(t, home(), errNotInMemory))
				learned := make(chan struct{})
				go func() { // a reader from before the end of it
					defer close(learned)
					_, _, e := s.Home(t.Context(), a.UserID, social.PageQuery{Limit: 5})
					err = errors.Join(err, e)
				}()
				<-learned
				return errors.Join(err, wantErr(t, home(), errNotInMemory))
			})
			if !errors.Is(err, undone) {
				t.Fatal(err)
			}
			if err := home(); !errors.Is(err, errNotInMemory) {
				t.Errorf("after it was undone, and before anybody has read: %v", err)
			}
		})
	}
}

// Whom a deleted post named is told as much as its author.
func TestDeletedPostIsForgottenByThoseItNamed(t *testing.T) {
	s, _, _ := overheard(t)
	a := social.Actor{UserID: social.NewID()}
	p, err := s.Publish(t.Context(), a, Draft{Text: "@bob", Visibility: event.Mentioned}, nil)
	if err != nil {
		t.Fatal(err)
	}
	named := p.Mentions[0].UserID
	if _, _, err := s.Home(t.Context(), named, social.PageQuery{Limit: 5}); err != nil {
		t.Fatal(err)
	}
	if list, ok := s.addressed.still(&s.changes, s.changes.now(), named); !ok || len(list) != 1 {
		t.Fatalf("%d posts are known (%v), want 1", len(list), ok)
	}
	if err := s.Delete(t.Context(), a, p.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.addressed.still(&s.changes, s.changes.now(), named); ok {
		t.Error("it is still known")
	}
}

func wantErr(t *testing.T, err, want error) error {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	return nil
}

// One post is liked, then the other, and back, over and over: whoever reads sees both as they were at one moment.
func TestPageIsOfOneMoment(t *testing.T) {
	s, _, _ := overheard(t)
	a := social.Actor{UserID: social.NewID()}
	var both [2]Post
	for i := range both {
		var err error
		if both[i], err = s.Publish(t.Context(), a, Draft{Text: "post"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				l, _, err := s.Home(t.Context(), a.UserID, social.PageQuery{Limit: 5})
				if err != nil || len(l.Items) != 2 {
					t.Errorf("%d posts, %v", len(l.Items), err)
					return
				}
				first, second := l.Items[1], l.Items[0]
				if ahead := first.LikeCount - second.LikeCount; ahead != 0 && ahead != 1 {
					t.Errorf("%d and %d likes", first.LikeCount, second.LikeCount)
				}
				if first.Viewer.Liked != (first.LikeCount > 0) || second.Viewer.Liked != (second.LikeCount > 0) {
					t.Errorf("%d and %d likes, mine: %v, %v", first.LikeCount, second.LikeCount, first.Viewer.Liked, second.Viewer.Liked)
				}
			}
		})
	}
	for range 60 {
		for _, step := range []struct {
			of int
			on bool
		}{{0, true}, {1, true}, {1, false}, {0, false}} {
			if _, err := s.Like(t.Context(), a, both[step.of].ID, step.on); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
	}
	stop()
	readers.Wait()
}
