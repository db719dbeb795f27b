package notifications_test

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

type removed struct {
	ID    *social.ID `json:"id"`
	Group *struct {
		Key   social.ID `json:"key"`
		Count int64     `json:"count"`
	} `json:"group"`
	ObjectID *social.ID `json:"object_id"`
	Reason   string     `json:"reason"`
}

// TestW34Unlike: a withdrawn like leaves the list, the counts, its announcement, and says so live.
func TestW34Unlike(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	w.like("carol", p)
	w.like("bob", p)
	id := w.list("alice", notifications.Filter{})[0].ID
	w.unlike("bob", p)
	w.wantTold("alice", "like by carol on harbour")
	if _, err := w.s.Get(t.Context(), w.user("alice").ID, id); !social.IsFault(err, social.CodeNotFound) {
		t.Errorf("get of a withdrawn like: %v, want not_found", err)
	}
	w.Read(t, func(q storage.Querier) error {
		if gone, err := w.s.Withdrawn(t.Context(), q, id); err != nil || !gone {
			t.Errorf("withdrawn: %v, %v; want true", gone, err)
		}
		return nil
	})
	rows := w.wantEvents("alice", social.EventNotification, social.EventNotificationUpdated,
		social.EventNotificationRemoved, social.EventNotificationUpdated)
	if rows[0].Redacted || !rows[1].Redacted {
		t.Errorf("redacted are %v and %v, want bob's announcement only", rows[0], rows[1])
	}
	var d removed
	rows[2].Decode(t, &d)
	if d.ID == nil || *d.ID != id || d.Group == nil || d.Group.Count != 1 || d.ObjectID != nil || d.Reason != "withdrawn" {
		t.Errorf("removal says %s", rows[2].Data)
	}
	w.unlike("bob", p) // not liked: nothing happens
	w.wantEvents("alice")
}

// TestW34Delete: deleting a post takes everything about it back, one event for each person who was told.
func TestW34Delete(t *testing.T) {
	for _, batch := range []int{3, 200} { // rows in several pages, and in one
		t.Run(strconv.Itoa(batch), func(t *testing.T) {
			w := newWorld(t, func(c *notifications.Config) { c.Batch = batch })
			w.follow("erin", "alice")
			p := w.post("alice", "harbour", naming(w.user("bob"), w.user("carol")))
			for i := range 10 {
				w.like("fan"+strconv.Itoa(i), p)
			}
			other := w.post("alice", "other")
			w.like("bob", other)
			if _, err := w.s.SetRead(t.Context(), w.user("erin").ID, p.ID, true); err != nil {
				t.Fatal(err)
			}
			w.DrainOutbox(t)
			w.remove(p)
			rows := slices.DeleteFunc(w.DrainOutbox(t),
				func(r moduletest.Row) bool { return r.Type != social.EventNotificationRemoved })
			if len(rows) != 3 {
				t.Fatalf("removals %v, want one for each of alice, bob and carol", rows)
			}
			for _, r := range rows {
				var d removed
				r.Decode(t, &d)
				if d.ID != nil || d.Group != nil || d.ObjectID == nil || *d.ObjectID != p.ID || d.Reason != "withdrawn" {
					t.Errorf("removal says %s", r.Data)
				}
			}
			check := func() {
				w.wantTold("alice", "like by bob on other", "follow by erin")
				w.wantTold("bob")
				w.wantTold("carol")
				w.wantTold("erin", "post by alice on other")
				if c := w.counts("alice"); c.Unread != 2 {
					t.Errorf("counts %+v, want 2", c)
				}
			}
			check() // at once, rows or not
			w.sweep()
			check()
			w.Read(t, func(q storage.Querier) error {
				for _, count := range []string{`SELECT COUNT(*) FROM notifications WHERE object_id = $1`,
					`SELECT COUNT(*) FROM notification_posts WHERE post_id = $1`, `SELECT COUNT(*) FROM notification_tombstones
						WHERE id = $1`} {
					var n int
					if err := q.QueryRow(t.Context(), count, p.ID).Scan(&n); err != nil || n != 0 {
						t.Errorf("%s = %d, %v; want 0 after the job", count, n, err)
					}
				}
				return nil
			})
		})
	}
}

// TestUserDeleted: a person's rows vanish at once, as receiver and as actor; the others hear of it.
func TestUserDeleted(t *testing.T) {
	w := newWorld(t, func(c *notifications.Config) { c.Batch = 2 })
	p := w.post("alice", "harbour")
	w.like("bob", p)
	w.like("carol", p)
	bobs := w.list("alice", notifications.Filter{})[1].ID
	for i := range 5 {
		w.post("bob", "comment "+strconv.Itoa(i), under(p))
	}
	own := w.post("bob", "mine")
	w.like("alice", own)
	w.follow("bob", "alice")
	for i := range 5 {
		post := w.post("alice", "for bob "+strconv.Itoa(i))
		if _, err := w.s.SetArchived(t.Context(), w.user("bob").ID, post.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	w.DrainOutbox(t)

	bob := w.user("bob")
	w.deleteUser("bob")
	w.wantTold("alice", "like by carol on harbour")
	if c := w.counts("alice"); c.Unread != 1 {
		t.Errorf("counts %+v, want 1", c)
	}
	if _, err := w.s.Get(t.Context(), w.user("alice").ID, bobs); !social.IsFault(err, social.CodeNotFound) {
		t.Errorf("get of a row by a deleted person: %v, want not_found", err)
	}
	w.sweep()
	w.wantTold("alice", "like by carol on harbour")
	if g := w.list("alice", notifications.Filter{})[0].Group; g.Count != 1 || len(g.Actors) != 1 {
		t.Errorf("group is %+v, want carol alone", g)
	}
	removals := 0
	for _, r := range w.events("alice") {
		switch {
		case r.Type == social.EventNotificationUpdated && r.Actor == w.user("carol").ID: // what is left of the group
		case r.Type != social.EventNotificationRemoved || !r.Actor.IsZero() || len(r.About) != 0:
			t.Errorf("%+v, want a removal that names nobody: it has to outlive the account", r)
		default:
			removals++
		}
	}
	if removals != 7 { // like, five comments, follow
		t.Errorf("%d removals, want 7", removals)
	}
	w.Read(t, func(q storage.Querier) error {
		for _, count := range []string{`SELECT COUNT(*) FROM notifications WHERE receiver_id = $1 OR actor_id = $1`,
			`SELECT COUNT(*) FROM notification_posts WHERE receiver_id = $1`, `SELECT COUNT(*) FROM notification_watermarks
				WHERE person_id = $1`,
			`SELECT COUNT(*) FROM notification_tombstones WHERE id = $1`} {
			var n int
			if err := q.QueryRow(t.Context(), count, bob.ID).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s = %d, %v; want 0 after the job", count, n, err)
			}
		}
		return nil
	})
}

// TestNothingIsLeftOfAGroupOfAPersonWhoIsGone: the rows that joined go with the one that stands for them.
func TestNothingIsLeftOfAGroupOfAPersonWhoIsGone(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	for _, who := range []string{"bob", "carol", "dave"} {
		w.like(who, p)
	}
	person := w.user("alice").ID
	w.deleteUser("alice")
	w.sweep()
	w.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM notifications WHERE receiver_id = $1`, person).Scan(&n)
		if n != 0 {
			t.Errorf("%d rows are left", n)
		}
		return err
	})
}

// shownTo is what a replay of somebody's stream shows of notifications: what was announced and not taken back.
func (w *world) shownTo(who string) (list []notifications.Notification) {
	w.t.Helper()
	for _, r := range w.Announced(w.t, social.Stream{Kind: social.To, User: w.user(who).ID}) {
		if r.Redacted || r.Type == social.EventNotificationRemoved {
			continue
		}
		var n notifications.Notification
		r.Decode(w.t, &n)
		list = append(list, n)
	}
	return list
}

// wantReplayed asserts that a replay names these people and nobody else, announces every act that is listed in the name
// of who did it, and ends with the group as it is listed.
func (w *world) wantReplayed(who string, names ...string) {
	w.t.Helper()
	shown := w.shownTo(who)
	for _, n := range shown {
		people := n.Group.Actors
		if n.Actor != nil {
			people = append(people, *n.Actor)
		}
		for _, p := range people {
			if !slices.Contains(names, p.Username) {
				w.t.Errorf("the replay names %s: %q of %v", p.Username, n.Text, n.Group.Actors)
			}
		}
	}
	stream := w.Announced(w.t, social.Stream{Kind: social.To, User: w.user(who).ID})
	for _, now := range w.list(who, notifications.Filter{}) {
		if !slices.ContainsFunc(stream, func(r moduletest.Row) bool {
			return !r.Redacted && r.Actor == now.Actor.ID && (now.Object == nil || r.Object == now.Object.ID)
		}) {
			w.t.Errorf("%s: %q is not announced any more", who, now.Text)
		}
	}
	for _, now := range w.list(who, notifications.Filter{Grouped: true}) {
		i := len(shown) - 1
		for i >= 0 && shown[i].Group.Key != now.Group.Key {
			i--
		}
		if i < 0 || shown[i].ID != now.ID || shown[i].Text != now.Text || shown[i].Group.Count != now.Group.Count {
			w.t.Errorf("the replay of %s does not end with %q: %+v", who, now.Text, shown)
		}
	}
}

// TestReplayForgetsWhoWithdrew: nobody who took an act back, or whose account has ended, is named by an announcement
// of another's; and the others are still announced.
func TestReplayForgetsWhoWithdrew(t *testing.T) {
	w := newWorld(t)
	p, other := w.post("alice", "harbour"), w.post("alice", "other")
	for _, who := range []string{"bob", "cat", "dan"} {
		w.like(who, p)
		w.like(who, other)
		w.follow(who, "alice")
	}
	w.unlike("bob", p)
	w.unlike("bob", other)
	w.wantReplayed("alice", "bob", "cat", "dan") // bob follows still
	w.unfollow("bob", "alice")
	w.wantReplayed("alice", "cat", "dan")
	w.unlike("dan", p)
	w.like("bob", p)
	w.unlike("cat", p)
	if got := told(w.shownTo("alice")); !slices.Contains(got, "like by bob on harbour") {
		t.Errorf("bob is not announced any more: %q", got)
	}
	for _, n := range w.shownTo("alice") {
		if n.Type == "like" && n.Object.ID == p.ID && (len(n.Group.Actors) != 1 || n.Group.Actors[0].Username != "bob") {
			t.Errorf("the replay names %+v: %q", n.Group.Actors, n.Text)
		}
	}
	w.wantReplayed("alice", "bob", "cat", "dan") // cat and dan like the other one
}

// TestReplayAfterAnAccount: likewise when an account ends, and the job has been round.
func TestReplayAfterAnAccount(t *testing.T) {
	w := newWorld(t)
	p := w.post("alice", "harbour")
	for _, who := range []string{"bob", "cat", "dan", "eve"} {
		w.like(who, p)
		w.follow(who, "alice")
	}
	w.deleteUser("bob")
	w.sweep()
	w.wantReplayed("alice", "cat", "dan", "eve")
}

// TestReplayAfterAnyHistory: whatever people like and take back, a replay names those who like now, and no one else.
func TestReplayAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		p, names := w.post("alice", "harbour"), []string{"bob", "cat", "dan", "eve", "fay", "gil"}
		likes := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(rt, "acts") {
			who := rapid.SampledFrom(names).Draw(rt, "who")
			if likes[who] = !likes[who]; likes[who] {
				w.like(who, p)
			} else {
				w.unlike(who, p)
			}
			if rapid.IntRange(0, 9).Draw(rt, "wait") == 0 {
				w.day(rapid.Float64Range(0, 2).Draw(rt, "days"))
			}
		}
		now := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !likes[name] })
		w.wantReplayed("alice", now...)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// TestCountsDoNotDip: when the newest of a group's members is gone, the group is counted and shown in the name of the
// others, before the job and after it, without the one who is gone.
func TestCountsDoNotDip(t *testing.T) {
	w := newWorld(t)
	var posts []event.PostInfo
	for i := range 20 {
		posts = append(posts, w.post("alice", "post "+strconv.Itoa(i)))
		for _, who := range []string{"carol", "dave", "bob"} {
			w.like(who, posts[i])
		}
	}
	alone := w.post("alice", "only bob likes it")
	w.like("bob", alone)
	w.deleteUser("bob")
	for _, when := range []string{"at once", "after the job"} {
		if c := w.counts("alice"); c.Unread != 20 || c.Unseen != 20 {
			t.Errorf("%s: counts %+v, want 20", when, c)
		}
		list := w.list("alice", notifications.Filter{Grouped: true})
		if len(list) != 20 {
			t.Fatalf("%s: %d groups, want 20", when, len(list))
		}
		for _, n := range list {
			if n.Text != "Dave and 1 other liked your post" || n.Group.Count != 2 || len(n.Group.Actors) != 2 {
				t.Errorf("%s: %q, %+v", when, n.Text, n.Group)
			}
			members, err := w.s.Members(t.Context(), w.user("alice").ID, n.Group.Key, social.PageQuery{Limit: 50})
			if err != nil || len(members.Items) != 2 {
				t.Errorf("%s: %d members, %v", when, len(members.Items), err)
			}
		}
		if n := len(w.list("alice", notifications.Filter{})); n != 40 {
			t.Errorf("%s: %d items, want 40", when, n)
		}
		w.sweep()
	}
}
