package notifications_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

// TestWhoIsTold goes through the table of types.
func TestWhoIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *world)
		want map[string][]string // by person, newest first
	}{
		{"like of a post", func(w *world) { w.like("bob", w.post("alice", "harbour")) },
			map[string][]string{"alice": {"like by bob on harbour"}}},
		{"like of a comment goes to its author", func(w *world) {
			w.like("carol", w.post("bob", "where?", under(w.post("alice", "harbour"))))
		}, map[string][]string{"alice": {"comment by bob on where?"}, "bob": {"like by carol on where?"}}},
		{"comment below a comment tells both authors", func(w *world) {
			w.post("carol", "there", under(w.post("bob", "where?", under(w.post("alice", "harbour")))))
		}, map[string][]string{"alice": {"comment by carol on there", "comment by bob on where?"},
			"bob": {"reply by carol on there"}}},
		{"answer to the top author's own comment tells once", func(w *world) {
			w.post("bob", "nice", under(w.post("alice", "my comment", under(w.post("alice", "harbour")))))
		}, map[string][]string{"alice": {"comment by bob on nice"}}},
		{"mention in a post", func(w *world) { w.post("alice", "hi @bob", naming(w.user("bob"))) },
			map[string][]string{"bob": {"mention by alice on hi @bob"}}},
		{"mention of whom the comment tells anyway", func(w *world) {
			w.post("bob", "@alice", under(w.post("alice", "harbour")), naming(w.user("alice")))
		}, map[string][]string{"alice": {"comment by bob on @alice"}}},
		{"mention in a post for those named", func(w *world) {
			w.post("alice", "@bob", naming(w.user("bob")),
				only(event.Mentioned))
		}, map[string][]string{"bob": {"mention by alice on @bob"}}},
		{"mention in a post for followers tells a stranger too",
			func(w *world) { w.post("alice", "@bob", naming(w.user("bob")), only(event.Followers)) },
			map[string][]string{"bob": {"mention by alice on @bob"}}},
		{"mention in a comment does not reach who cannot see the top post", func(w *world) {
			w.follow("dave", "alice")
			p := w.post("alice", "ours", only(event.Followers), naming(w.user("carol")))
			w.post("carol", "@bob @dave", under(p), naming(w.user("bob"), w.user("dave")))
		}, map[string][]string{"bob": nil, "dave": {"mention by carol on @bob @dave", "post by alice on ours"},
			"carol": {"mention by alice on ours"}, "alice": {"comment by carol on @bob @dave", "follow by dave"}}},
		{"answer does not reach an author who can see the post no more", func(w *world) {
			w.follow("bob", "alice")
			c := w.post("bob", "first", under(w.post("alice", "ours", only(event.Followers))))
			w.unfollow("bob", "alice")
			w.post("alice", "second", under(c))
		}, map[string][]string{"bob": nil, "alice": {"comment by bob on first"}}},
		{"follow", func(w *world) { w.follow("bob", "alice") }, map[string][]string{"alice": {"follow by bob"}, "bob": nil}},
		{"someone you follow posted", func(w *world) {
			w.post("alice", "before")
			w.follow("bob", "alice")
			w.post("alice", "after")
			w.post("alice", "for named", only(event.Mentioned))
			w.post("alice", "comment", under(w.post("carol", "hers")))
		}, map[string][]string{"bob": {"post by alice on after"}, "carol": {"comment by alice on comment"}}},
		{"a post that names a follower is not derived again", func(w *world) {
			w.follow("bob", "alice")
			w.post("alice", "hi @bob", naming(w.user("bob")))
		}, map[string][]string{"bob": {"mention by alice on hi @bob"}}},
		{"bell off", func(w *world) {
			w.follow("bob", "alice")
			w.post("alice", "after")
			w.bell("bob", "alice", false)
		}, map[string][]string{"bob": nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.do(w)
			for who, want := range tt.want {
				w.wantTold(who, want...)
				unread := 0
				for range want {
					unread++
				}
				if c := w.counts(who); c.Unread != unread || c.Unseen != unread {
					t.Errorf("counts of %s are %+v, want %d", who, c, unread)
				}
			}
		})
	}
}

// TestExcerptEndsWithTheFollow: what somebody wrote below a post for followers is shown to those alone who may see it
// when they ask, and no event carries it, for events stay.
func TestExcerptEndsWithTheFollow(t *testing.T) {
	w := newWorld(t)
	w.follow("bob", "alice")
	w.follow("dan", "alice")
	top := w.post("alice", "closed", only(event.Followers), naming(w.user("carol")))
	mine := w.post("bob", "bob's words", under(top))
	w.post("dan", "dan's words", under(mine), naming(w.user("carol")))
	w.like("dan", mine)
	w.wantTold("bob", "like by dan on bob's words", "reply by dan on dan's words", "post by alice on closed")
	events := func(who string) (out []string) {
		for _, r := range w.events(who) {
			var n notifications.Notification
			if err := json.Unmarshal(r.Data, &n); err != nil {
				t.Fatal(err)
			}
			out = append(out, told([]notifications.Notification{n})...)
			if n.Object == nil || n.Object.ID.IsZero() || n.Object.URL == "" {
				t.Errorf("the event %s does not tell what it is about", r.Data)
			}
		}
		return out
	}
	if got, want := events("bob"), []string{"reply by dan on ", "like by dan on "}; !slices.Equal(got, want) {
		t.Errorf("events to bob: %q, want %q", got, want)
	}
	w.unfollow("bob", "alice")
	w.wantTold("bob", "like by dan", "reply by dan")
	for _, n := range w.list("bob", notifications.Filter{Grouped: true}) {
		one, err := w.s.Get(t.Context(), w.user("bob").ID, n.ID)
		if err != nil || n.Object != nil || one.Object != nil {
			t.Errorf("%s is shown with %v and %v, %v", n.Type, n.Object, one.Object, err)
		}
	}
	w.follow("bob", "alice")
	w.wantTold("bob", "like by dan on bob's words", "reply by dan on dan's words")
}

// TestExcerptForTheNamed: whom a post for followers names, and its author, see what is below it for good.
func TestExcerptForTheNamed(t *testing.T) {
	w := newWorld(t)
	w.follow("dan", "alice")
	top := w.post("alice", "closed", only(event.Followers), naming(w.user("carol")))
	w.post("dan", "dan's words", under(top), naming(w.user("carol")))
	for who, want := range map[string]string{"alice": "comment by dan on dan's words", "carol": "mention by dan on dan's words"} {
		list := w.list(who, notifications.Filter{})
		if got := told(list)[0]; got != want {
			t.Errorf("%s was told %q, want %q", who, got, want)
		}
	}
	n := 0
	for _, r := range w.DrainOutbox(t) {
		n += bytes.Count(r.Data, []byte(`"excerpt":"dan's words"`))
	}
	if n != 2 {
		t.Errorf("%d events carry the words, want those to alice and carol", n)
	}
}

// TestW29NoSelfNoDouble: nobody is told of what they did themselves, and one act makes one row and one event.
func TestW29NoSelfNoDouble(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour", naming(w.user("alice")))
	w.like("alice", p)
	w.post("alice", "own comment", under(p), naming(w.user("alice")))
	w.wantTold("alice")
	w.wantEvents("alice")

	w.like("bob", p)
	w.like("bob", p)
	w.post("bob", "one", under(p))
	w.post("bob", "two", under(p))
	w.wantTold("alice", "comment by bob on two", "comment by bob on one", "like by bob on harbour")
	w.wantEvents("alice", social.EventNotification, social.EventNotification, social.EventNotification)
}

// TestW29LikeUnlikeLike: within a day a like that comes back makes no noise; later it is news.
func TestW29LikeUnlikeLike(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.like("bob", p)
	first := w.list("alice", notifications.Filter{})[0]
	if _, err := w.s.SetRead(t.Context(), w.user("alice").ID, first.ID, true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.day(0.9)
		w.unlike("bob", p)
		w.wantTold("alice")
		w.day(0.9)
		w.like("bob", p)
	}
	again := w.list("alice", notifications.Filter{})[0]
	if again.ID != first.ID || !again.IsRead || again.Group.Count != 1 || again.UpdatedAt != w.now() ||
		again.CreatedAt != first.CreatedAt {
		t.Errorf("revived like is %+v, want %s with its old read state", again, first.ID)
	}
	w.wantEvents("alice", social.EventNotification, social.EventReadState, social.EventNotificationRemoved,
		social.EventNotificationUpdated,
		social.EventNotificationRemoved, social.EventNotificationUpdated, social.EventNotificationRemoved,
		social.EventNotificationUpdated)

	w.unlike("bob", p)
	w.day(1)
	w.like("bob", p)
	late := w.list("alice", notifications.Filter{})
	if len(late) != 1 || late[0].ID == first.ID || late[0].IsRead {
		t.Errorf("a like that came back after a day is %+v, want a new one", late)
	}
	w.wantEvents("alice", social.EventNotificationRemoved, social.EventNotification)
}

// TestDeletedStaysDeleted: what the receiver deleted does not come back by the same act.
func TestDeletedStaysDeleted(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.like("bob", p)
	id := w.list("alice", notifications.Filter{})[0].ID
	if err := w.s.Delete(t.Context(), w.user("alice").ID, id); err != nil {
		t.Fatal(err)
	}
	if rows := w.wantEvents("alice", social.EventNotification, social.EventNotificationRemoved); !rows[0].Redacted {
		t.Error("the announcement of a deleted notification was not redacted")
	}
	w.unlike("bob", p)
	w.like("bob", p)
	w.wantTold("alice")
	w.wantEvents("alice")
	if err := w.s.Delete(t.Context(), w.user("alice").ID, id); !social.IsFault(err, social.CodeNotFound) {
		t.Errorf("second delete: %v, want not_found", err)
	}
}

func TestGroups(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	alice := w.user("alice").ID
	for _, who := range []string{"bob", "carol", "dave", "erin"} {
		w.Advance(time.Hour)
		w.like(who, p)
	}
	grouped := notifications.Filter{Grouped: true}
	list := w.list("alice", grouped)
	if len(list) != 1 || list[0].Group.Count != 4 || list[0].Text != "Erin and 3 others liked your post" ||
		len(list[0].Group.Actors) != 3 {
		t.Fatalf("four likes make %+v, want one group", list)
	}
	if c := w.counts("alice"); c.Unread != 1 || c.ByType["like"] != 1 {
		t.Errorf("counts %+v, want one group", c)
	}
	flat := w.list("alice", notifications.Filter{})
	if len(flat) != 4 || flat[0].Group.Key != flat[3].ID || flat[1].Text != "Dave liked your post" ||
		flat[1].Group.Count != 4 {
		t.Errorf("flat list %+v, want four of one group, its key the first's id", flat)
	}
	w.wantEvents("alice", social.EventNotification, social.EventNotificationUpdated, social.EventNotificationUpdated,
		social.EventNotificationUpdated)
	w.wantMembers("alice", flat[0].Group.Key, flat)
	if _, err := w.s.Members(t.Context(), alice, flat[0].ID, social.PageQuery{Limit: 5}); !social.IsFault(err,
		social.CodeNotFound) {
		t.Errorf("the id of an item that joined stands for a group: %v", err)
	}

	if _, err := w.s.SeenUpTo(t.Context(), alice, flat[0].ID); err != nil {
		t.Fatal(err)
	}
	w.like("frank", p) // the group was seen: a new one
	if list = w.list("alice", grouped); len(list) != 2 || list[0].Group.Count != 1 {
		t.Fatalf("a like after the group was seen makes %+v, want a second group", list)
	}
	w.Advance(23 * time.Hour)
	w.like("grace", p)
	w.Advance(time.Hour)
	w.like("heidi", p) // the second group began a day ago
	list = w.list("alice", grouped)
	if len(list) != 3 || list[0].Group.Count != 1 || list[1].Group.Count != 2 || list[2].Group.Count != 4 {
		t.Fatalf("groups are %+v, want of 1, 2 and 4", list)
	}
	w.wantEvents("alice", social.EventReadState, social.EventNotification, social.EventNotificationUpdated,
		social.EventNotification)

	w.unlike("bob", p) // the founder of the first
	members, err := w.s.Members(t.Context(), alice, list[2].Group.Key, social.PageQuery{Limit: 2})
	if err != nil || len(members.Items) != 2 || members.Next == nil || members.Items[0].Group.Count != 3 {
		t.Errorf("members after the founder has gone: %+v, %v; want 2 of 3 and a next page", members, err)
	}
	w.unlike("erin", p) // the newest of the first, seen
	list = w.list("alice", grouped)
	if list[2].Group.Count != 2 || list[2].Actor.Username != "dave" || list[2].Text != "Dave and 1 other liked your post" {
		t.Errorf("after the newest has gone the group is %+v, want dave's of 2", list[2])
	}
	if got := w.counts("alice"); got.Unseen != 2 || got.Unread != 3 {
		t.Errorf("counts %+v, want 2 unseen, 3 unread", got)
	}
}

// wantMembers reads a group in pages of 3, forth and back.
func (w *world) wantMembers(who string, group social.ID, want []notifications.Notification) {
	w.t.Helper()
	var got []social.ID
	page := social.PageQuery{Limit: 3}
	for {
		l, err := w.s.Members(w.t.Context(), w.user(who).ID, group, page)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, n := range l.Items {
			got = append(got, n.ID)
		}
		if l.Next == nil {
			if l.Prev != nil {
				back, err := w.s.Members(w.t.Context(), w.user(who).ID, group, social.PageQuery{Limit: 3, Cursor: *l.Prev})
				if err != nil || len(back.Items) != 3 || back.Items[0].ID != want[0].ID {
					w.t.Errorf("the page before the last of a group is %+v, %v", back.Items, err)
				}
			}
			break
		}
		page.Cursor = *l.Next
	}
	if len(got) != len(want) {
		w.t.Fatalf("a group has %d members, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i].ID {
			w.t.Errorf("member %d is %s, want %s", i, got[i], want[i].ID)
		}
	}
}

// TestHandedOn: a group that was read stays read when its newest member is withdrawn.
func TestHandedOn(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.like("bob", p)
	w.like("carol", p)
	newest := w.list("alice", notifications.Filter{Grouped: true})[0]
	if _, err := w.s.SetRead(t.Context(), w.user("alice").ID, newest.ID, true); err != nil {
		t.Fatal(err)
	}
	w.unlike("carol", p)
	if c := w.counts("alice"); c.Unread != 0 || c.Unseen != 0 {
		t.Errorf("a read group has become unread: %+v", c)
	}
}

// TestReviveInGroup: a like that comes back takes its old place in its group, and the event shows the item that
// stands for the group then.
func TestReviveInGroup(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	for _, who := range []string{"bob", "carol", "dave"} {
		w.like(who, p)
	}
	for _, tt := range []struct{ who, newest string }{{"dave", "dave"}, {"bob", "dave"}} {
		w.unlike(tt.who, p)
		w.DrainOutbox(t)
		w.like(tt.who, p)
		list := w.list("alice", notifications.Filter{Grouped: true})
		if len(list) != 1 || list[0].Actor.Username != tt.newest || list[0].Group.Count != 3 ||
			len(list[0].Group.Actors) != 3 {
			t.Errorf("after %s came back the group is %+v", tt.who, list)
		}
		var n notifications.Notification
		rows := w.wantEvents("alice", social.EventNotificationUpdated)
		rows[0].Decode(t, &n)
		if n.ID != list[0].ID || n.Text != list[0].Text || rows[0].Actor != w.user(tt.who).ID {
			t.Errorf("announced by %s: %s, want the item of the list", rows[0].Actor, rows[0].Data)
		}
		w.wantTold("alice", "like by dave on harbour", "like by carol on harbour", "like by bob on harbour")
	}
}

func TestFollowsGroupByReceiver(t *testing.T) {
	w := newWorld(t)
	for _, who := range []string{"bob", "carol", "dave"} {
		w.follow(who, "alice")
	}
	list := w.list("alice", notifications.Filter{Grouped: true})
	if len(list) != 1 || list[0].Text != "Dave and 2 others followed you" ||
		list[0].URL != "https://social.example/@dave" || list[0].Object.Kind != event.KindUser {
		t.Fatalf("three follows make %+v", list)
	}
	w.unfollow("dave", "alice")
	w.unfollow("carol", "alice")
	w.unfollow("bob", "alice")
	w.wantTold("alice")
	rows := w.wantEvents("alice", social.EventNotification, social.EventNotificationUpdated,
		social.EventNotificationUpdated,
		social.EventNotificationRemoved, social.EventNotificationUpdated, social.EventNotificationRemoved,
		social.EventNotificationUpdated, social.EventNotificationRemoved)
	for _, r := range rows {
		if !r.Redacted && r.Type != social.EventNotificationRemoved {
			t.Errorf("%v was not redacted with the last follow it names", r)
		}
	}
	w.follow("bob", "alice")
	w.wantEvents("alice", social.EventNotificationUpdated)
}
