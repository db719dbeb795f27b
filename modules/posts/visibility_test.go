package posts_test

import (
	"context"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

type (
	ctx     = context.Context
	querier = storage.Querier
)

// Everybody who could look at a post, in every way there is to look.
func TestWhoSeesWhat(t *testing.T) {
	s := open(t, "author", "follower", "named", "stranger", "commenter")
	s.follow("follower", "author")
	s.follow("commenter", "author")
	readers := []string{"author", "follower", "named", "stranger", ""}
	for _, tt := range []struct {
		visibility event.Visibility
		see        []string
	}{
		{event.Public, readers},
		{event.Followers, []string{"author", "follower", "named"}},
		{event.Mentioned, []string{"author", "named"}},
	} {
		text := string(tt.visibility) + " @named"
		top := s.write(t, "author", posts.Draft{Text: text, Visibility: tt.visibility})
		// The comment names the stranger, which gives the stranger no right to see it.
		writer := "author"
		if tt.visibility != event.Mentioned {
			writer = "commenter"
		}
		comment := s.answer(t, writer, top, "comment @stranger")
		deeper := s.answer(t, "author", comment, "deeper")
		if comment.Visibility != tt.visibility || deeper.Visibility != tt.visibility {
			t.Errorf("%s: comments are %s and %s", tt.visibility, comment.Visibility, deeper.Visibility)
		}
		for _, reader := range readers {
			t.Run(string(tt.visibility)+"/"+reader, func(t *testing.T) {
				want := slices.Contains(tt.see, reader)
				check := func(what string, got bool) {
					t.Helper()
					if got != want {
						t.Errorf("%s: seen %v, want %v", what, got, want)
					}
				}
				var err error
				for _, p := range []posts.Post{top, comment, deeper} {
					_, err = s.Get(t.Context(), s.id(reader), p.ID)
					check("get "+p.Text, err == nil)
					notFound(t, err)
					infos, err := s.infoFor(t, reader, p)
					check("info of "+p.Text, len(infos) == 1)
					if i, seen := infos[p.ID]; err == nil && seen && i.ByFollow != (tt.visibility == event.Followers &&
						reader == "follower") {
						t.Errorf("%s sees %s by a follow: %v", reader, p.Text, i.ByFollow)
					}
					_, err = s.Likes(t.Context(), s.id(reader), p.ID, social.PageQuery{Limit: 5})
					check("likes of "+p.Text, err == nil)
					notFound(t, err)
					_, err = s.Comments(t.Context(), s.id(reader), p.ID, true, social.PageQuery{Limit: 5})
					check("comments of "+p.Text, err == nil)
					notFound(t, err)
				}
				check("posts of the author", slices.Contains(s.by(t, reader, "author", false), text))
				check("posts and comments of the author", slices.Contains(s.by(t, reader, "author", true), text))
				if writer == "commenter" {
					check("comments of the commenter", isListed(s, t, reader, comment))
				}
				if reader == "" {
					return
				}
				_, err = s.Like(t.Context(), s.actor(reader), top.ID, true)
				check("like", err == nil)
				notFound(t, err)
				_, err = s.Publish(t.Context(), s.actor(reader), posts.Draft{Text: "x", ReplyTo: comment.ID}, nil)
				check("answer", err == nil)
				if err != nil {
					wantField(t, err, "/reply_to", social.FieldNotFound)
				}
				if reader == "author" || reader == "follower" {
					check("home", slices.Contains(s.home(t, reader), text))
				} else if slices.Contains(s.home(t, reader), text) {
					t.Error("in the home timeline of somebody who does not follow")
				}
				err = s.Delete(t.Context(), s.actor(reader), top.ID, "")
				if reader != "author" {
					wantFault(t, err, social.CodeNotFound)
				}
				if reader == "author" { // put it back for the others
					if err != nil {
						t.Fatal(err)
					}
					top = s.write(t, "author", posts.Draft{Text: text, Visibility: tt.visibility})
					comment = s.answer(t, writer, top, "comment @stranger")
					deeper = s.answer(t, "author", comment, "deeper")
				}
			})
		}
	}
}

func (s *site) infoFor(t *testing.T, reader string, p posts.Post) (infos map[social.ID]event.PostInfo, err error) {
	err = s.DB.Read(t.Context(), func(q storage.Querier) error {
		infos, err = s.InfoFor(t.Context(), q, s.id(reader), []social.ID{p.ID})
		return err
	})
	return infos, err
}

// isListed reports whether a comment is among its author's posts, as reader sees them.
func isListed(s *site, t *testing.T, reader string, p posts.Post) bool {
	list, err := s.ByAuthor(t.Context(), s.id(reader), p.Author.ID, false, true, social.PageQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list.Items, func(o posts.Post) bool { return o.ID == p.ID })
}

func notFound(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		wantFault(t, err, social.CodeNotFound)
	}
}

// A follow that ends takes the posts for followers away; being named stays.
func TestAudienceIsOfNow(t *testing.T) {
	s := open(t, "author", "follower")
	s.follow("follower", "author")
	p := s.write(t, "author", posts.Draft{Text: "hello", Visibility: event.Followers})
	c := s.answer(t, "follower", p, "mine")
	s.unfollow("follower", "author")
	for _, hidden := range []posts.Post{p, c} {
		_, err := s.Get(t.Context(), s.id("follower"), hidden.ID)
		wantFault(t, err, social.CodeNotFound)
	}
	same(t, "own posts", s.by(t, "follower", "follower", true), []string{})
	s.remove(t, "follower", c) // what one wrote one may delete, whoever may see it
	s.follow("follower", "author")
	same(t, "comments", s.comments(t, "follower", p, false), []string{})
}

// A list stays full when much of it is not for the reader.
func TestFullPagesAmongHiddenComments(t *testing.T) {
	s := open(t, "closed", "open", "writer", "reader")
	s.follow("writer", "closed")
	hidden := s.write(t, "closed", posts.Draft{Text: "closed", Visibility: event.Followers})
	seen := s.say(t, "open", "open")
	for range 12 {
		s.answer(t, "writer", hidden, "hidden")
	}
	s.answer(t, "writer", seen, "one")
	for range 12 {
		s.answer(t, "writer", hidden, "hidden")
	}
	s.answer(t, "writer", seen, "two")
	s.say(t, "writer", "three")
	same(t, "comments of the writer", s.by(t, "reader", "writer", true), []string{"three", "two", "one"})
	same(t, "posts of the writer", s.by(t, "reader", "writer", false), []string{"three"})
}

// What somebody wrote below posts for followers only is not read again and again for those who do not follow.
func TestByAuthorPassesOverTheHidden(t *testing.T) {
	var asked queries
	s := openOn(t, posts.DefaultConfig(), func(db storage.DB) storage.DB { asked.DB = db; return &asked }, "alice",
		"mallory", "viewer")
	s.follow("mallory", "alice")
	top := s.write(t, "alice", posts.Draft{Text: "for followers", Visibility: event.Followers})
	named := s.write(t, "alice", posts.Draft{Text: "for followers and @viewer", Visibility: event.Followers})
	s.say(t, "mallory", "first")
	s.answer(t, "mallory", named, "where the viewer is named")
	for range 100 {
		s.answer(t, "mallory", top, "hidden")
	}
	for reader, want := range map[string][]string{"": {"first"}, "viewer": {"where the viewer is named", "first"}} {
		asked.count = 0
		page, err := s.ByAuthor(t.Context(), s.id(reader), s.id("mallory"), false, true, social.PageQuery{Limit: 3})
		var got []string
		for _, p := range page.Items {
			got = append(got, p.Text)
		}
		if err != nil || !slices.Equal(got, want) || asked.count > 10 {
			t.Errorf("%q sees %q, %v, after %d queries; want %q after a few", reader, got, err, asked.count, want)
		}
	}
}
