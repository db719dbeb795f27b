package notifications_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

type readState struct {
	Change string               `json:"change"`
	IDs    []social.ID          `json:"ids"`
	Group  *social.ID           `json:"group"`
	UpTo   *social.ID           `json:"up_to"`
	Counts notifications.Counts `json:"counts"`
}

// TestW30ReadState: every change of state is announced to the person's other devices with the counts that hold
// then, and what changes nothing is not.
func TestW30ReadState(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice").ID
	w.follow("alice", "zoe")
	p := w.post("alice", "harbour")
	w.like("bob", p)
	w.like("carol", p)
	derived := w.post("zoe", "derived").ID
	w.post("dave", "comment", under(p))
	list := w.list("alice", notifications.Filter{}) // comment, derived, carol, bob
	comment, like := list[0].ID, list[2].ID
	group := list[2].Group.Key
	w.DrainOutbox(t)
	ctx := t.Context()
	one := func(_ notifications.Notification, err error) error { return err }
	many := func(_ notifications.Counts, err error) error { return err }

	for _, step := range []struct {
		name   string
		do     func() error
		want   readState
		unseen int
		unread int
	}{
		{"read one", func() error { return one(w.s.SetRead(ctx, alice, comment, true)) },
			readState{Change: "read", IDs: []social.ID{comment}}, 2, 2},
		{"unread one: it stays seen", func() error { return one(w.s.SetRead(ctx, alice, comment, false)) },
			readState{Change: "unread", IDs: []social.ID{comment}}, 2, 3},
		{"read a derived item", func() error { return many(w.s.ReadAll(ctx, alice, []social.ID{derived})) },
			readState{Change: "read", IDs: []social.ID{derived}}, 1, 2},
		{"unread a derived item", func() error { return one(w.s.SetRead(ctx, alice, derived, false)) },
			readState{Change: "unread", IDs: []social.ID{derived}}, 1, 3},
		{"read a group", func() error { return many(w.s.ReadGroup(ctx, alice, group)) },
			readState{Change: "read", Group: &group}, 0, 2},
		{"archive", func() error { return one(w.s.SetArchived(ctx, alice, like, true)) },
			readState{Change: "archived", IDs: []social.ID{like}}, 0, 2},
		{"unarchive", func() error { return one(w.s.SetArchived(ctx, alice, like, false)) },
			readState{Change: "unarchived", IDs: []social.ID{like}}, 0, 2},
		{"archive a derived item implies read", func() error { return one(w.s.SetArchived(ctx, alice, derived, true)) },
			readState{Change: "archived", IDs: []social.ID{derived}}, 0, 1},
		{"unarchive a derived item", func() error { return one(w.s.SetArchived(ctx, alice, derived, false)) },
			readState{Change: "unarchived", IDs: []social.ID{derived}}, 0, 1},
		{"unread again", func() error { return one(w.s.SetRead(ctx, alice, derived, false)) },
			readState{Change: "unread", IDs: []social.ID{derived}}, 0, 2},
		{"read up to", func() error { return many(w.s.ReadUpTo(ctx, alice, comment)) },
			readState{Change: "read", UpTo: &comment}, 0, 0},
		{"left unread below the mark", func() error { return one(w.s.SetRead(ctx, alice, derived, false)) },
			readState{Change: "unread", IDs: []social.ID{derived}}, 0, 1},
		{"read up to an older mark takes it too", func() error { return many(w.s.ReadUpTo(ctx, alice, derived)) },
			readState{Change: "read", UpTo: &derived}, 0, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		rows := w.events("alice")
		if len(rows) != 1 || rows[0].Type != social.EventReadState {
			t.Fatalf("%s: events %v, want one read_state", step.name, rows)
		}
		var got readState
		rows[0].Decode(t, &got)
		if got.Change != step.want.Change || !slices.Equal(got.IDs, step.want.IDs) || !same(got.Group, step.want.Group) ||
			!same(got.UpTo, step.want.UpTo) {
			t.Errorf("%s: announced %s", step.name, rows[0].Data)
		}
		if got.Counts.Unseen != step.unseen || got.Counts.Unread != step.unread {
			t.Errorf("%s: counts %+v, want %d unseen, %d unread", step.name, got.Counts, step.unseen, step.unread)
		}
		if c := w.counts("alice"); c.Unseen != step.unseen || c.Unread != step.unread {
			t.Errorf("%s: counts afterwards %+v, want %d unseen, %d unread", step.name, c, step.unseen, step.unread)
		}
		if step.want.Change != "unread" {
			if err := step.do(); err != nil {
				t.Fatalf("%s, again: %v", step.name, err)
			}
			if rows := w.events("alice"); len(rows) != 0 {
				t.Errorf("%s, again: announced %v, though nothing changed", step.name, rows)
			}
		}
	}
}

func same(a, b *social.ID) bool { return a == b || a != nil && b != nil && *a == *b }

// TestMarksOfOthers: ids of others, of nobody, and of what is not derived now are all absent.
func TestMarksOfOthers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.like("bob", w.post("alice", "harbour"))
	alices := w.list("alice", notifications.Filter{})[0].ID
	w.follow("mallory", "yves")
	old := w.post("yves", "follows again later").ID
	w.follow("mallory", "yves")
	w.follow("mallory", "zoe")
	w.bell("mallory", "zoe", false)
	silent := w.post("zoe", "bell is off").ID
	named := w.post("zoe", "for named", only(event.Mentioned)).ID
	mallory := w.user("mallory").ID
	for _, id := range []social.ID{alices, old, silent, named, w.posts[silent].Author.ID, social.NewID()} {
		for name, do := range map[string]func() error{
			"get":       func() error { _, err := w.s.Get(ctx, mallory, id); return err },
			"seen":      func() error { _, err := w.s.SeenUpTo(ctx, mallory, id); return err },
			"read up":   func() error { _, err := w.s.ReadUpTo(ctx, mallory, id); return err },
			"read ids":  func() error { _, err := w.s.ReadAll(ctx, mallory, []social.ID{id}); return err },
			"group":     func() error { _, err := w.s.ReadGroup(ctx, mallory, id); return err },
			"members":   func() error { _, err := w.s.Members(ctx, mallory, id, social.PageQuery{Limit: 5}); return err },
			"read":      func() error { _, err := w.s.SetRead(ctx, mallory, id, true); return err },
			"unarchive": func() error { _, err := w.s.SetArchived(ctx, mallory, id, false); return err },
			"delete":    func() error { return w.s.Delete(ctx, mallory, id) },
		} {
			if err := do(); !social.IsFault(err, social.CodeNotFound) {
				t.Errorf("%s of %s: %v, want not_found", name, id, err)
			}
		}
	}
	if c := w.counts("alice"); c.Unread != 1 || c.Unseen != 1 {
		t.Errorf("marks of another changed alice's counts: %+v", c)
	}
}

func TestDerivedItem(t *testing.T) {
	w := newWorld(t)
	bob := w.user("bob").ID
	w.follow("bob", "alice")
	p := w.post("alice", "harbour")
	n, err := w.s.Get(t.Context(), bob, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n.ID != p.ID || n.Type != "post" || n.Text != "Alice posted" || n.Group.Key != p.ID || n.Group.Count != 1 ||
		n.IsRead || n.ReceiverID != bob {
		t.Errorf("derived item is %+v", n)
	}
	if err := w.s.Delete(t.Context(), bob, p.ID); err != nil {
		t.Fatal(err)
	}
	w.wantTold("bob")
	if c := w.counts("bob"); c.Unread != 0 {
		t.Errorf("a deleted derived item counts: %+v", c)
	}
	w.wantEvents("bob", social.EventNotificationRemoved)
}

// TestCountsStop: each figure stops at 1000 and says so; what is unseen behind a thousand unread is found.
func TestCountsStop(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice").ID
	w.follow("alice", "zoe")
	push := func(kind string) {
		if _, err := w.s.Push(t.Context(), notifications.Push{Receiver: "@alice", Type: kind, Content: "x"},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		push("a")
	}
	if c := w.counts("alice"); c.Unread != 1000 || c.Capped || c.ByType["custom.a"] != 1000 {
		t.Errorf("at 1000: %+v", c)
	}
	for range 1000 {
		w.post("zoe", "derived")
	}
	if c := w.counts("alice"); c.Unread != 1000 || c.Unseen != 1000 || !c.Capped || c.ByType["custom.a"] != 1000 ||
		c.ByType["post"] != 1000 {
		t.Errorf("at 2000: %+v", c)
	}
	w.post("zoe", "one more")
	if _, err := w.s.SeenUpTo(t.Context(), alice, w.list("alice", notifications.Filter{})[0].ID); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.post("zoe", "unseen "+strconv.Itoa(i))
	}
	push("b")
	want := notifications.Counts{Unseen: 4, Unread: 1000, Capped: true}
	if c := w.counts("alice"); c.Unseen != want.Unseen || c.Unread != want.Unread || !c.Capped ||
		c.ByType["custom.b"] != 1 || c.ByType["post"] != 1000 {
		t.Errorf("after seen and 4 more: %+v, want %+v", c, want)
	}
}

// TestLargeGroup: marking a group reaches members beyond one transaction.
func TestLargeGroup(t *testing.T) {
	w := newWorld(t, func(c *notifications.Config) { c.Batch = 4 })
	p := w.post("alice", "harbour")
	for i := range 17 {
		w.like("fan"+strconv.Itoa(i), p)
	}
	key := w.list("alice", notifications.Filter{Grouped: true})[0].Group.Key
	if _, err := w.s.ReadGroup(t.Context(), w.user("alice").ID, key); err != nil {
		t.Fatal(err)
	}
	if rest := w.list("alice", notifications.Filter{State: "unread"}); len(rest) != 0 {
		t.Errorf("%d members are still unread", len(rest))
	}
}

func TestFilterTypes(t *testing.T) {
	w := newWorld(t)
	w.follow("alice", "zoe")
	p := w.post("alice", "harbour")
	w.like("bob", p)
	w.post("bob", "comment", under(p))
	w.post("zoe", "derived")
	for _, kind := range []string{"build", "deploy", "alarm"} {
		if _, err := w.s.Push(t.Context(), notifications.Push{Receiver: "@alice", Type: kind, Content: "x"},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		types []string
		want  []string
	}{
		{nil, []string{"custom.alarm", "custom.deploy", "custom.build", "post by zoe on derived", "comment by bob on comment",
			"like by bob on harbour"}},
		{[]string{"like"}, []string{"like by bob on harbour"}},
		{[]string{"post", "like"}, []string{"post by zoe on derived", "like by bob on harbour"}},
		{[]string{"custom"}, []string{"custom.alarm", "custom.deploy", "custom.build"}},
		{[]string{"custom.build", "comment", "custom.alarm"},
			[]string{"custom.alarm", "custom.build", "comment by bob on comment"}},
		{[]string{"custom.build", "custom"}, []string{"custom.alarm", "custom.deploy", "custom.build"}},
		{[]string{"repost", "moderation"}, []string{}},
	} {
		if got := told(w.list("alice", notifications.Filter{Types: tt.types})); !slices.Equal(got, tt.want) {
			t.Errorf("types %v: %q, want %q", tt.types, got, tt.want)
		}
	}
	for _, types := range [][]string{{""}, {"likes"}, {"custom."}, {"custom.Build"}, {"like", "x"},
		slices.Repeat([]string{"like"}, 17)} {
		if _, err := w.s.List(t.Context(), w.user("alice").ID, notifications.Filter{Types: types},
			social.PageQuery{Limit: 5}); !social.IsFault(err, social.CodeValidationFailed) {
			t.Errorf("types %q: %v, want validation_failed", types, err)
		}
	}
}

// TestCursorIsBound: a page cursor of one filter or person means nothing to another.
func TestCursorIsBound(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	for i := range 3 {
		w.post("bob", strconv.Itoa(i), under(p))
	}
	page, err := w.s.List(t.Context(), w.user("alice").ID, notifications.Filter{}, social.PageQuery{Limit: 1})
	if err != nil || page.Next == nil {
		t.Fatalf("first page: %+v, %v", page, err)
	}
	for _, tt := range []struct {
		who string
		f   notifications.Filter
	}{{"bob", notifications.Filter{}}, {"alice", notifications.Filter{Grouped: true}},
		{"alice", notifications.Filter{State: "unread"}}, {"alice", notifications.Filter{Types: []string{"comment"}}}} {
		_, err := w.s.List(t.Context(), w.user(tt.who).ID, tt.f, social.PageQuery{Limit: 1, Cursor: *page.Next})
		if !social.IsFault(err, social.CodeInvalidCursor) {
			t.Errorf("%s with %+v: %v, want invalid_cursor", tt.who, tt.f, err)
		}
	}
}

// TestClockBackwards: lists are ordered by keys, whatever the clock says.
func TestClockBackwards(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.post("bob", "one", under(p))
	w.Advance(-10 * 365 * 24 * time.Hour)
	w.post("bob", "two", under(p))
	w.wantTold("alice", "comment by bob on two", "comment by bob on one")
}

// TestUnreadAboveTheMark: what is read and then marked as unread is there once, whether all below it was read or not.
func TestUnreadAboveTheMark(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.post("bob", "one", under(p))
	w.post("bob", "two", under(p))
	alice, unread := w.user("alice").ID, notifications.Filter{State: "unread"}
	older := w.list("alice", unread)[1].ID
	for _, read := range []bool{true, false} {
		if _, err := w.s.SetRead(t.Context(), alice, older, read); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.list("alice", unread); len(got) != 2 || got[1].ID != older {
		t.Errorf("above the mark: %d unread", len(got))
	}
	if _, err := w.s.ReadUpTo(t.Context(), alice, older); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.SetRead(t.Context(), alice, older, false); err != nil {
		t.Fatal(err)
	}
	if got := w.list("alice", unread); len(got) != 2 || got[1].ID != older {
		t.Errorf("below the mark: %d unread", len(got))
	}
}
