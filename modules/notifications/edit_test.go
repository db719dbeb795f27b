package notifications_test

import (
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
)

// edit changes a post: its text and whom it names.
func (w *world) edit(p event.PostInfo, text string, people ...social.UserRef) event.PostInfo {
	w.t.Helper()
	f := event.PostEdited{At: w.now()}
	was := map[social.ID]bool{}
	for _, id := range p.Mentions {
		was[id] = true
	}
	p.Excerpt, p.Mentions = text, nil
	for _, u := range people {
		p.Mentions = append(p.Mentions, u.ID)
		if !was[u.ID] {
			f.Named = append(f.Named, u.ID)
		}
		delete(was, u.ID)
	}
	for id := range was {
		f.Unnamed = append(f.Unnamed, id)
	}
	w.posts[p.ID], f.Post = p, p
	w.emit(f)
	return p
}

// TestEdited: who is named since is told once, who is not any more is told no longer, and the others hear nothing.
func TestEdited(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.user("alice"), w.user("bob"), w.user("carol")
	p := w.post("alice", "hi @bob", naming(bob))
	w.like("bob", p)
	_ = w.events("alice")
	p = w.edit(p, "hi @bob and @carol", bob, carol)
	w.wantTold("bob", "mention by alice on hi @bob and @carol")
	w.wantTold("carol", "mention by alice on hi @bob and @carol")
	w.wantEvents("carol", social.EventNotification)
	p = w.edit(p, "hi @carol", carol)
	w.wantTold("bob")
	w.wantTold("carol", "mention by alice on hi @carol")
	w.wantEvents("bob", social.EventNotificationRemoved)
	w.wantReplayed("bob")
	p = w.edit(p, "hi again @bob, me @alice", bob, alice)
	w.wantTold("bob", "mention by alice on hi again @bob, me @alice")
	w.wantTold("carol")
	w.wantTold("alice", "like by bob on hi again @bob, me @alice")

	comment := w.post("bob", "where?", under(p))
	_ = w.events("alice")
	w.edit(comment, "where, @alice and @carol?", alice, carol)
	w.wantTold("alice", "comment by bob on where, @alice and @carol?", "like by bob on hi again @bob, me @alice")
	w.wantTold("carol", "mention by bob on where, @alice and @carol?")
	w.wantEvents("alice")
}

// TestEditedForFew: a comment below a post for followers tells of itself those alone who see it.
func TestEditedForFew(t *testing.T) {
	w := newWorld(t)
	w.follow("dave", "alice")
	w.follow("bob", "alice")
	p := w.post("alice", "ours", only(event.Followers))
	c := w.post("bob", "comment", under(p))
	w.edit(c, "@carol @dave", w.user("carol"), w.user("dave"))
	w.wantTold("carol")
	w.wantTold("dave", "mention by bob on @carol @dave", "post by alice on ours")
}
