package posts_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func TestLike(t *testing.T) {
	s := open(t, "alice", "bob", "carl")
	p := s.say(t, "alice", "hello")
	s.facts.drain()
	for i, step := range []struct {
		who   string
		on    bool
		count int64
		fact  string
	}{
		{"bob", true, 1, "post liked"}, {"bob", true, 1, ""}, {"carl", true, 2, "post liked"}, {"alice", true, 3,
			"post liked"},
		{"bob", false, 2, "post unliked"}, {"bob", false, 2, ""}, {"bob", true, 3, "post liked"},
	} {
		got := s.like(t, step.who, p, step.on)
		if got.LikeCount != step.count || got.Liked != step.on || got.PostID != p.ID {
			t.Errorf("step %d: %+v, want count %d", i, got, step.count)
		}
		list := s.facts.drain()
		if want := map[bool]int{true: 1}[step.fact != ""]; len(list) != want || want == 1 && list[0].FactName() != step.fact {
			t.Errorf("step %d: facts %v, want %q", i, factNames(list), step.fact)
		}
		if step.fact == "post liked" {
			if f := list[0].(event.PostLiked); f.Post.LikeCount != step.count || f.Liker.Username != step.who ||
				f.Post.Author.Username != "alice" {
				t.Errorf("step %d: fact %+v", i, f)
			}
		}
	}
	if !s.get(t, "bob", p).Viewer.Liked || s.get(t, "", p).Viewer != nil {
		t.Error("viewer.liked is wrong")
	}
	list, err := s.Likes(t.Context(), social.ID{}, p.ID, social.PageQuery{Limit: 2})
	if err != nil || len(list.Items) != 2 || list.Items[0].Username != "bob" || list.Items[1].Username != "alice" ||
		list.Next == nil {
		t.Errorf("likers %+v, %v; want the newest like first", list, err)
	}
}

// H28: right final state and count.
func TestThousandLikesAtOnce(t *testing.T) {
	const people, each = 100, 10
	s := open(t, "alice")
	p := s.say(t, "alice", "hello")
	var wg sync.WaitGroup
	for i := range people {
		name := fmt.Sprintf("liker%d", i)
		actor := social.Actor{UserID: s.users.add(name)}
		for n := range each {
			wg.Go(func() {
				on := n > 0 || i%2 == 0 // everybody likes many times; half of them take it back at some moment
				err := storage.ErrBusy
				for errors.Is(err, storage.ErrBusy) { // refused before it began; a client comes back
					_, err = s.Like(t.Context(), actor, p.ID, on)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	got := s.get(t, "alice", p).LikeCount
	list, err := s.Likes(t.Context(), social.ID{}, p.ID, social.PageQuery{Limit: 100})
	if err != nil || int64(len(list.Items)) != got {
		t.Fatalf("like_count %d, but %d people like it (%v)", got, len(list.Items), err)
	}
	liked := map[social.ID]int{}
	for _, f := range s.facts.drain() {
		switch f := f.(type) {
		case event.PostLiked:
			liked[f.Liker.ID]++
		case event.PostUnliked:
			liked[f.Liker]--
		}
	}
	sum := 0
	for who, n := range liked {
		if n != 0 && n != 1 {
			t.Errorf("%s: %d more likes than takings back", who, n)
		}
		sum += n
	}
	if int64(sum) != got {
		t.Errorf("facts add up to %d likes, the count is %d", sum, got)
	}
	if got < people/2 {
		t.Errorf("%d likes; those who never took it back are %d", got, people/2)
	}
}
