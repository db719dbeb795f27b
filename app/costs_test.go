package app_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// frameSize is what one changed page takes in the write-ahead log: its header and itself.
const frameSize = 24 + 2048

// town is the modules that write, tied together as in bindings.go, over a store that counts.
type town struct {
	*moduletest.Fixture
	counted *counted
	users   *users.Service
	follows *follows.Service
	posts   *posts.Service
	notify  *notifications.Service
}

func newTown(t *testing.T) *town {
	f := moduletest.Open(t, users.Migrations, follows.Migrations, posts.Migrations, notifications.Migrations)
	w := &town{Fixture: f, counted: &counted{DB: f.DB}}
	site := social.Site{PublicURL: "https://social.example"}
	w.users = users.New(users.DefaultConfig(), site, w.counted, f.Bus, f.Clock, f.Pages, zap.NewNop())
	w.follows = follows.New(follows.DefaultConfig(), w.counted, f.Bus, f.Clock, f.Pages)
	w.posts = posts.New(posts.DefaultConfig(), site, w.counted, f.Bus, f.Clock, f.Pages)
	w.notify = notifications.New(notifications.DefaultConfig(), w.counted, f.Clock, site, f.Pages, zap.NewNop())
	w.posts.Ports.Users, w.posts.Ports.Follows = w.users, w.follows
	w.follows.Ports.Users = w.users
	w.notify.Ports.Users, w.notify.Ports.Posts, w.notify.Ports.Follows = w.users, w.posts, w.follows
	f.Bus.React(w.users.Reactions()...)
	f.Bus.React(w.follows.Reactions()...)
	f.Bus.React(w.posts.Reactions()...)
	f.Bus.React(w.notify.Reactions()...)
	return w
}

// person makes an account.
func (w *town) person(t *testing.T, name string) social.Actor {
	me, err := w.users.Add(t.Context(), name, "long enough secret 1", social.RoleUser, "")
	if err != nil {
		t.Fatal(err)
	}
	return social.Actor{UserID: me.ID}
}

// cost is what one act takes of the writer.
type cost struct{ statements, pages, announcements int }

// of counts one act.
func (w *town) of(t *testing.T, act func() error) cost {
	t.Helper()
	rows, pages := len(w.Outbox(t)), w.frames(t)
	w.counted.statements, w.counted.texts = 0, nil
	if err := act(); err != nil {
		t.Fatal(err)
	}
	return cost{w.counted.statements, w.frames(t) - pages, len(w.Outbox(t)) - rows}
}

// frames is how many pages have been written to the write-ahead log.
func (w *town) frames(t *testing.T) int {
	info, err := os.Stat(w.DB.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size()) / frameSize
}

// TestCosts holds what each act takes of the writer, which is everybody's: statements in its transaction, pages it
// changes where none has to be split (each is 2 KiB of the write-ahead log), announcements. More is a decision.
func TestCosts(t *testing.T) {
	w := newTown(t)
	least := map[string]cost{}
	for round := range 3 { // all of it fits into the write-ahead log before that begins anew
		a, b, c := w.person(t, fmt.Sprint("ada", round)), w.person(t, fmt.Sprint("ben", round)),
			w.person(t, fmt.Sprint("cleo", round))
		for _, act := range w.acts(t, a, b, c) {
			got := w.of(t, act.do)
			if was, ok := least[act.name]; ok {
				if got.statements != was.statements || got.announcements != was.announcements {
					t.Errorf("%s costs %+v, and cost %+v before:\n\t%s", act.name, got, was, strings.Join(w.counted.texts, "\n\t"))
				}
				got.pages = min(got.pages, was.pages)
			}
			least[act.name] = got
		}
	}
	for name, want := range map[string]cost{
		"post":                     {4, 10, 1}, // of which two pages place it and its author where visitors look (0077)
		"post that names somebody": {8, 20, 2},
		"like":                     {8, 13, 1},
		"like that joins a group":  {10, 18, 1},
		"like done again":          {2, 0, 0},
		"like taken back":          {21, 14, 3},
		"comment":                  {6, 15, 1},
		"comment on a comment":     {11, 18, 2},
		"follow":                   {13, 18, 3},
		"unfollow":                 {15, 13, 4},
		"push":                     {3, 7, 1},
		"push that begins a group": {4, 8, 1},
		"push that joins a group":  {5, 12, 1},
		"one notification read":    {8, 7, 1},
		"all notifications read":   {11, 3, 1},
		"edit that names another":  {14, 17, 4}, // the change, and a mention taken from one and told to another (0078)
		"deletion":                 {14, 16, 3}, // of a comment below a comment: its places there go too (0067)
	} {
		if got := least[name]; got != want {
			t.Errorf("%s costs %+v, the table says %+v", name, got, want)
		}
	}
}

// act is one thing people do, in the order in which they do it.
type act struct {
	name string
	do   func() error
}

// acts are ada's, ben's and cleo's.
func (w *town) acts(t *testing.T, a, b, c social.Actor) []act {
	ctx := t.Context()
	var post posts.Post
	var pushed notifications.Pushed
	write := func(by social.Actor, text string, answer bool) func() error {
		return func() (err error) {
			d := posts.Draft{Text: text}
			if answer {
				d.ReplyTo = post.ID
			}
			post, err = w.posts.Publish(ctx, by, d, nil)
			return err
		}
	}
	like := func(by social.Actor, on bool) func() error {
		return func() error { _, err := w.posts.Like(ctx, by, post.ID, on); return err }
	}
	push := func(group string) func() error {
		return func() (err error) {
			pushed, err = w.notify.Push(ctx, notifications.Push{Receiver: a.UserID.String(), Type: "build", Content: "done",
				Group: group}, nil)
			return err
		}
	}
	ben, err := w.users.Me(ctx, b.UserID)
	if err != nil {
		t.Fatal(err)
	}
	return []act{
		{"post", write(a, "one", false)},
		{"post that names somebody", write(a, "hello @"+ben.Username, false)},
		{"edit that names another", func() error {
			words := "hello @" + strings.Replace(ben.Username, "ben", "cleo", 1)
			_, err := w.posts.Edit(ctx, a, post.ID, posts.Edit{Text: posts.Change[string]{Set: true, Value: &words}}, "")
			return err
		}},
		{"like", like(b, true)},
		{"like that joins a group", like(c, true)},
		{"like done again", like(c, true)},
		{"like taken back", like(c, false)},
		{"comment", write(b, "comment", true)},
		{"comment on a comment", write(c, "comment", true)},
		{"follow", func() error { _, err := w.follows.Follow(ctx, a, b.UserID, follows.Wishes{}); return err }},
		{"unfollow", func() error { _, err := w.follows.Unfollow(ctx, a, b.UserID); return err }},
		{"push", push("")},
		{"push that begins a group", push("g")},
		{"push that joins a group", push("g")},
		{"one notification read", func() error {
			_, err := w.notify.SetRead(ctx, a.UserID, pushed.Notification.ID,
				true)
			return err
		}},
		{"all notifications read", func() error {
			_, err := w.notify.ReadUpTo(ctx, a.UserID,
				pushed.Notification.ID)
			return err
		}},
		{"deletion", func() error { return w.posts.Delete(ctx, c, post.ID, "") }},
	}
}

// counted is a store that counts the statements of its transactions.
type counted struct {
	storage.DB
	statements int
	texts      []string
}

func (d *counted) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	return d.DB.InTx(ctx, func(tx storage.Tx) error { return fn(countedTx{tx, d}) })
}

type countedTx struct {
	storage.Tx
	d *counted
}

func (c countedTx) note(text string) {
	c.d.statements++
	c.d.texts = append(c.d.texts, strings.Join(strings.Fields(text), " "))
}

func (c countedTx) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	c.note(text)
	return c.Tx.Query(ctx, text, args...)
}

func (c countedTx) QueryRow(ctx context.Context, text string, args ...any) storage.Row {
	c.note(text)
	return c.Tx.QueryRow(ctx, text, args...)
}

func (c countedTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	c.note(text)
	return c.Tx.Exec(ctx, text, args...)
}
