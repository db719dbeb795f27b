package posts_test

import (
	"encoding/json"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func TestCommentsAndTombstones(t *testing.T) {
	s := open(t, "alice", "bob")
	top := s.say(t, "alice", "top")
	a := s.answer(t, "bob", top, "a")
	b := s.answer(t, "alice", a, "b")
	c := s.answer(t, "bob", b, "c")
	d := s.answer(t, "bob", top, "d")
	same(t, "oldest first", s.comments(t, "", top, false), []string{"a", "b", "c", "d"})
	same(t, "newest first", s.comments(t, "", top, true), []string{"d", "c", "b", "a"})
	same(t, "below a comment", s.comments(t, "", a, false), []string{"b", "c"})
	same(t, "below a comment, newest first", s.comments(t, "", a, true), []string{"c", "b"})
	counts := func(want ...int64) {
		t.Helper()
		list, err := s.Comments(t.Context(), social.ID{}, top.ID, false, social.PageQuery{Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		got := []int64{s.get(t, "", top).CommentCount}
		for _, p := range list.Items {
			got = append(got, p.CommentCount)
		}
		same(t, "counts", []string{str(got)}, []string{str(want)})
	}
	counts(4, 2, 1, 0, 0)

	s.remove(t, "bob", a)
	same(t, "a tombstone stands for a", s.comments(t, "", top, false), []string{"(deleted)", "b", "c", "d"})
	same(t, "below the tombstone", s.comments(t, "", a, false), []string{"b", "c"})
	counts(3, 2, 1, 0, 0)
	_, err := s.Get(t.Context(), s.id("bob"), a.ID)
	wantFault(t, err, social.CodeNotFound)
	_, err = s.Publish(t.Context(), s.actor("bob"), posts.Draft{Text: "x", ReplyTo: a.ID}, nil)
	wantField(t, err, "/reply_to", social.FieldNotFound)

	s.remove(t, "bob", c)
	same(t, "c had no comments and is not there", s.comments(t, "", top, false), []string{"(deleted)", "b", "d"})
	s.remove(t, "alice", b)
	same(t, "the last one below a tombstone takes it along", s.comments(t, "", top, false), []string{"d"})
	counts(1, 0)
	_, err = s.Comments(t.Context(), social.ID{}, a.ID, false, social.PageQuery{Limit: 9})
	wantFault(t, err, social.CodeNotFound)

	s.remove(t, "alice", top)
	_, err = s.Get(t.Context(), s.id("alice"), top.ID)
	wantFault(t, err, social.CodeNotFound)
	same(t, "comments outlive their post", s.comments(t, "", top, false), []string{"d"})
	if got := s.get(t, "", d); got.RootID != top.ID || got.ReplyTo.PostID != top.ID {
		t.Errorf("d is below %+v", got.ReplyTo)
	}
	_, err = s.Publish(t.Context(), s.actor("bob"), posts.Draft{Text: "x", ReplyTo: d.ID}, nil)
	wantField(t, err, "/reply_to", social.FieldNotAllowed)
	_, err = s.Likes(t.Context(), social.ID{}, top.ID, social.PageQuery{Limit: 9})
	wantFault(t, err, social.CodeNotFound)
	s.remove(t, "bob", d)
	_, err = s.Comments(t.Context(), social.ID{}, top.ID, false, social.PageQuery{Limit: 9})
	wantFault(t, err, social.CodeNotFound)
}

func str(v any) string { b, _ := json.Marshal(v); return string(b) }

func TestDeleteFactsAndRepetition(t *testing.T) {
	s := open(t, "alice", "bob")
	p := s.say(t, "alice", "hello @bob")
	c := s.answer(t, "bob", p, "comment")
	s.facts.drain()
	s.remove(t, "bob", c)
	s.remove(t, "alice", p)
	list := s.facts.drain()
	if len(list) != 2 {
		t.Fatalf("facts %v", factNames(list))
	}
	one, two := list[0].(event.PostRemoved).Post, list[1].(event.PostRemoved).Post
	if one.ID != c.ID || one.Kind() != event.KindComment || one.RootAuthor != s.id("alice") ||
		two.Excerpt != "hello @bob" || len(two.Mentions) != 1 {
		t.Errorf("removed %+v and %+v; want what was there before", one, two)
	}
	wantFault(t, s.Delete(t.Context(), s.actor("alice"), p.ID, ""), social.CodeNotFound)
	if n := len(s.facts.drain()); n != 0 {
		t.Errorf("deleting again made %d facts", n)
	}
	for _, r := range s.Outbox(t) {
		if r.Op == storage.OpAppend && r.Stream.User == s.id("bob") {
			t.Errorf("the end of a comment was announced: %v", r)
		}
	}
}

// TestW34NothingOfADeletedPostIsLeft: the tutorial left its text in notifications and caches.
func TestW34NothingOfADeletedPostIsLeft(t *testing.T) {
	s := open(t, "alice", "bob")
	warning := "canary warning"
	p := s.write(t, "alice", posts.Draft{Text: "canary text @bob #canary", Warning: &warning})
	s.like(t, "bob", p, true)
	s.remove(t, "alice", p)
	for _, r := range s.Outbox(t) {
		if r.Op == storage.OpAppend && r.Type != social.EventPostDeleted && !r.Redacted {
			t.Errorf("still announced: %v", r)
		}
	}
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(),
			`SELECT COUNT(*) FROM posts WHERE text LIKE '%canary%' OR warning LIKE '%canary%' OR tags LIKE '%canary%' OR
				mentions IS NOT NULL`).Scan(&n)
		if n != 0 {
			t.Errorf("%d rows still hold it", n)
		}
		infos, err2 := s.Info(t.Context(), q, []social.ID{p.ID})
		if len(infos) != 0 || err2 != nil {
			t.Errorf("info gives %v, %v", infos, err2)
		}
		return err
	})
	_, err := s.Like(t.Context(), s.actor("bob"), p.ID, true)
	wantFault(t, err, social.CodeNotFound) // H29
	_, err = s.Like(t.Context(), s.actor("bob"), p.ID, false)
	wantFault(t, err, social.CodeNotFound)
}

func TestIfMatch(t *testing.T) {
	s := open(t, "alice", "bob")
	p := s.say(t, "alice", "a <b> & \u2028 \"quoted\"")
	tag := func() string {
		body, err := json.Marshal(s.get(t, "alice", p))
		if err != nil {
			t.Fatal(err)
		}
		return social.ETagOf(body, false)
	}
	old := tag()
	s.like(t, "bob", p, true)
	wantFault(t, s.Delete(t.Context(), s.actor("alice"), p.ID, old), social.CodePreconditionFailed)
	wantFault(t, s.Delete(t.Context(), s.actor("alice"), p.ID, "W/"+tag()), social.CodePreconditionFailed)
	wantFault(t, s.Delete(t.Context(), s.actor("bob"), p.ID, "*"), social.CodeNotFound)
	if err := s.Delete(t.Context(), s.actor("alice"), p.ID, `"other", `+tag()); err != nil {
		t.Errorf("with the present tag: %v", err)
	}
}

func TestDeepThreads(t *testing.T) {
	s := open(t, "alice")
	top := s.say(t, "alice", "top")
	chain := []posts.Post{top}
	for range 80 {
		chain = append(chain, s.answer(t, "alice", chain[len(chain)-1], "x"))
	}
	for depth, want := range map[int]int64{0: 80, 1: 79, 62: 18, 63: 17, 79: 1, 80: 0} {
		if got := s.get(t, "", chain[depth]).CommentCount; got != want {
			t.Errorf("at depth %d: %d comments, want %d", depth, got, want)
		}
	}
	// Beyond 63 levels a comment counts for the top and for the one it answers.
	if got := s.get(t, "", chain[70]).CommentCount; got != 1 {
		t.Errorf("at depth 70: %d comments, want 1", got)
	}
	s.remove(t, "alice", chain[80])
	for depth, want := range map[int]int64{0: 79, 63: 16, 79: 0, 78: 1} {
		if got := s.get(t, "", chain[depth]).CommentCount; got != want {
			t.Errorf("after a deletion, at depth %d: %d comments, want %d", depth, got, want)
		}
	}
}

func TestAccountEnds(t *testing.T) {
	s := open(t, "alice", "bob", "carl")
	s.follow("carl", "alice")
	for range 70 {
		s.say(t, "alice", "old")
	}
	top := s.say(t, "bob", "top @alice @carl")
	c := s.answer(t, "alice", top, "hers")
	below := s.answer(t, "bob", c, "his")
	lone := s.answer(t, "alice", top, "lone")
	last := s.say(t, "alice", "last")
	s.like(t, "alice", top, true)
	s.like(t, "carl", top, true)
	s.home(t, "carl") // in memory
	s.home(t, "bob")
	s.facts.drain()
	s.DrainOutbox(t)
	s.end(t, "alice")

	check := func(when string, likes, comments int64) {
		t.Helper()
		same(t, when+", home of a follower", s.home(t, "carl"), []string{})
		same(t, when+", comments", s.comments(t, "carl", top, false), []string{"(deleted)", "his"})
		for _, p := range []posts.Post{last, c, lone} {
			_, err := s.Get(t.Context(), s.id("carl"), p.ID)
			wantFault(t, err, social.CodeNotFound)
		}
		_, err := s.Like(t.Context(), s.actor("carl"), last.ID, true)
		wantFault(t, err, social.CodeNotFound)
		list, err := s.Likes(t.Context(), social.ID{}, top.ID, social.PageQuery{Limit: 9})
		if err != nil || len(list.Items) != 1 || list.Items[0].Username != "carl" {
			t.Errorf("%s: likers %v, %v", when, list.Items, err)
		}
		if got := s.get(t, "carl", top); got.LikeCount != likes || got.CommentCount != comments {
			t.Errorf("%s: %d likes, %d comments; want %d, %d", when, got.LikeCount, got.CommentCount, likes, comments)
		}
		s.get(t, "carl", below)
	}
	check("at once", 2, 3)
	s.work(t)
	check("after the work", 1, 1)
	l, _, err := s.Home(t.Context(), s.id("bob"), social.PageQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []posts.Post{s.get(t, "carl", top), l.Items[0]} {
		if len(got.Mentions) != 1 || got.Mentions[0].Username != "carl" {
			t.Errorf("mentions %+v, want only carl", got.Mentions)
		}
	}
	list := s.facts.drain()
	if len(list) != 73 {
		t.Errorf("%d facts, want one for each of 73 posts", len(list))
	}
	if rows := s.Outbox(t); len(rows) != 0 {
		t.Errorf("announced %v; the erase entry speaks for all", rows)
	}
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(),
			`SELECT (SELECT COUNT(*) FROM posts WHERE text IN ('old', 'hers', 'lone', 'last')) + (SELECT COUNT(*) FROM
				post_leavers)`).Scan(&n)
		if n != 0 {
			t.Errorf("%d rows left", n)
		}
		return err
	})
}

// Deleted comments are not looked at any more when the others are listed, however many there are.
func TestDeletedCommentsLeaveTheIndex(t *testing.T) {
	s := open(t, "alice", "bob")
	top := s.say(t, "alice", "top")
	kept := s.answer(t, "bob", top, "has an answer")
	s.answer(t, "alice", kept, "the answer")
	gone := s.answer(t, "bob", top, "gone")
	s.remove(t, "bob", kept)
	s.remove(t, "bob", gone)
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM posts INDEXED BY posts_comments
			WHERE reply_to IS NOT NULL AND (deleted_at = 0 OR comment_count > 0)`).Scan(&n)
		if n != 2 {
			t.Errorf("%d comments are in the index, want the place of one and its answer", n)
		}
		return err
	})
}

// A deleted post leaves the timelines of those it was written to, and is not passed over at each look at one. Who
// was named still sees what stands below it.
func TestDeletedPostLeavesThoseItNamed(t *testing.T) {
	s := open(t, "alice", "bob")
	top := s.write(t, "alice", posts.Draft{Text: "for @bob", Visibility: event.Mentioned})
	s.answer(t, "alice", top, "below")
	s.remove(t, "alice", top)
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM post_mentions WHERE addressed = 1`).Scan(&n)
		if n != 0 {
			t.Errorf("%d places in timelines are left, want none", n)
		}
		return err
	})
	same(t, "below the deleted post, for the one it named", s.comments(t, "bob", top, false), []string{"below"})
}

// A person's posts and comments are two lists in the store and one in the answer, forth and back.
func TestPostsAndCommentsOfAPerson(t *testing.T) {
	s := open(t, "alice", "bob")
	top := s.say(t, "bob", "top")
	for _, text := range []string{"1", "2", "3"} {
		s.say(t, "alice", "post "+text)
		s.answer(t, "alice", top, "comment "+text)
	}
	page := func(cursor string) social.List[posts.Post] {
		l, err := s.ByAuthor(t.Context(), s.id("bob"), s.id("alice"), false, true, social.PageQuery{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	said := func(l social.List[posts.Post]) (out []string) {
		for _, p := range l.Items {
			out = append(out, p.Text)
		}
		return out
	}
	first := page("")
	second := page(*first.Next)
	third := page(*second.Next)
	same(t, "first", said(first), []string{"comment 3", "post 3"})
	same(t, "second", said(second), []string{"comment 2", "post 2"})
	same(t, "third", said(third), []string{"comment 1", "post 1"})
	same(t, "back", said(page(*third.Prev)), []string{"comment 2", "post 2"})
}

// An operator removes anybody's post with the same end as its author, once.
func TestOperatorRemoves(t *testing.T) {
	s := open(t, "alice", "bob")
	p := s.say(t, "alice", "buy my watches, @bob")
	c := s.answer(t, "bob", p, "no")
	s.facts.drain()
	before := len(s.Outbox(t))
	for _, id := range []social.ID{p.ID, c.ID} {
		if err := s.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	list := s.facts.drain()
	if len(list) != 2 || list[0].(event.PostRemoved).Post.Author.ID != s.id("alice") ||
		list[1].(event.PostRemoved).Post.ID != c.ID {
		t.Errorf("facts %v", factNames(list))
	}
	ends := 0
	for _, row := range s.Outbox(t)[before:] {
		if row.Type == social.EventPostDeleted {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("%d ends are announced, want that of the post", ends)
	}
	_, err := s.Get(t.Context(), s.id("alice"), p.ID)
	wantFault(t, err, social.CodeNotFound)
	wantFault(t, s.Remove(t.Context(), p.ID), social.CodeNotFound)
	wantFault(t, s.Remove(t.Context(), social.NewID()), social.CodeNotFound)
}
