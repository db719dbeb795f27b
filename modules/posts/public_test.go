package posts_test

import (
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

func (s *site) local(t testing.TB, who string) []string {
	t.Helper()
	return texts(t, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
		l, _, err := s.Local(t.Context(), s.id(who), q)
		return l, err
	})
}

func (s *site) tagged(t testing.TB, who, tag string) []string {
	t.Helper()
	return texts(t, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
		return s.Tagged(t.Context(), s.id(who), tag, q)
	})
}

// TestLocal: everybody reads the same posts, and nobody what is for fewer, is a comment, is gone, or is of somebody who
// has left.
func TestLocal(t *testing.T) {
	s := open(t, "alice", "bob", "cleo")
	s.follow("bob", "alice")
	first := s.say(t, "alice", "first")
	s.write(t, "alice", posts.Draft{Text: "followers @bob", Visibility: event.Followers})
	s.write(t, "alice", posts.Draft{Text: "named @bob", Visibility: event.Mentioned})
	s.answer(t, "bob", first, "comment")
	gone := s.say(t, "bob", "gone")
	s.say(t, "cleo", "of cleo")
	s.say(t, "bob", "last")
	s.remove(t, "bob", gone)
	for _, who := range []string{"", "alice", "bob"} {
		same(t, "for "+who, s.local(t, who), []string{"last", "of cleo", "first"})
	}
	s.like(t, "bob", first, true)
	for _, who := range []string{"", "bob"} {
		l, head, err := s.Local(t.Context(), s.id(who), social.PageQuery{Limit: 10})
		if err != nil || head != s.head {
			t.Fatalf("for %q: head %v, %v", who, head, err)
		}
		p := l.Items[2]
		if (p.Viewer == nil) != (who == "") || p.Viewer != nil && !p.Viewer.Liked || p.LikeCount != 1 ||
			p.CommentCount != 1 || p.Author == nil || p.Author.Username != "alice" {
			t.Errorf("for %q: %+v", who, p)
		}
	}
	s.end(t, "cleo")
	same(t, "after an end", s.local(t, ""), []string{"last", "first"})
	s.work(t)
	same(t, "after the jobs", s.local(t, ""), []string{"last", "first"})
}

// TestTagged: a tag is found in any case and width, in posts and comments that are for everybody.
func TestTagged(t *testing.T) {
	s := open(t, "alice", "bob", "cleo")
	s.follow("bob", "alice")
	first := s.say(t, "alice", "first #Harbour and #harbour")
	s.say(t, "alice", "another #harbours")
	s.write(t, "alice", posts.Draft{Text: "followers #harbour", Visibility: event.Followers})
	s.write(t, "alice", posts.Draft{Text: "named @bob #harbour", Visibility: event.Mentioned})
	s.answer(t, "bob", first, "comment #ｈａｒｂｏｕｒ")
	gone := s.say(t, "bob", "gone #harbour")
	s.say(t, "cleo", "of cleo #harbour")
	s.remove(t, "bob", gone)
	for _, tag := range []string{"harbour", "HARBOUR", "ｈａｒｂｏｕｒ", "ha\u200drbour"} {
		for _, who := range []string{"", "alice", "bob"} {
			same(t, tag+" for "+who, s.tagged(t, who, tag), []string{"of cleo #harbour", "comment #ｈａｒｂｏｕｒ",
				"first #Harbour and #harbour"})
		}
	}
	same(t, "nobody's tag", s.tagged(t, "bob", "port"), []string{})
	s.end(t, "cleo")
	same(t, "after an end", s.tagged(t, "", "harbour"), []string{"comment #ｈａｒｂｏｕｒ", "first #Harbour and #harbour"})
	s.work(t)
	same(t, "after the jobs", s.tagged(t, "", "harbour"), []string{"comment #ｈａｒｂｏｕｒ", "first #Harbour and #harbour"})
	for _, tag := range []string{"", "#harbour", "two words", "har-bour", "123", strings.Repeat("h", 65), "\x00", "\xff"} {
		_, err := s.Tagged(t.Context(), social.ID{}, tag, social.PageQuery{Limit: 2})
		wantFault(t, err, social.CodeNotFound)
	}
}
