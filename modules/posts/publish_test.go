package posts_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func TestPublish(t *testing.T) {
	s := open(t, "alice", "bob")
	lang := "pt-br"
	p := s.write(t, "alice", posts.Draft{Text: "First light, @bob @nobody #Harbour", Language: &lang, Sensitive: true})
	if p.Author == nil || p.Author.ID != s.id("alice") || p.RootID != p.ID || p.ReplyTo != nil ||
		p.Visibility != event.Public || !p.Sensitive || *p.Language != "pt-BR" {
		t.Errorf("got %+v", p)
	}
	if want := (posts.Mention{UserID: s.id("bob"), Username: "bob", Start: 13, End: 17}); len(p.Mentions) != 1 ||
		p.Mentions[0] != want {
		t.Errorf("mentions %+v, want only %+v", p.Mentions, want)
	}
	if want := (posts.Tag{Tag: "harbour", Start: 26, End: 34}); len(p.Tags) != 1 || p.Tags[0] != want {
		t.Errorf("tags %+v, want %+v", p.Tags, want)
	}
	if got := s.get(t, "alice", p); fmt.Sprintf("%+v", got.Content.Mentions) != fmt.Sprintf("%+v", p.Mentions) ||
		got.Text != p.Text || got.Viewer == nil || got.URL != "https://social.example/p/"+p.ID.String() {
		t.Errorf("read again: %+v", got)
	}
	if anon := s.get(t, "", p); anon.Viewer != nil {
		t.Errorf("anonymous: viewer is %+v, want null", anon.Viewer)
	}
	list := s.facts.drain()
	f, ok := list[0].(event.PostPublished)
	if len(list) != 1 || !ok || f.Post.ID != p.ID || f.Post.Key == 0 || !slices.Equal(f.Post.Mentions,
		[]social.ID{s.id("bob")}) || f.Post.Kind() != event.KindPost {
		t.Errorf("facts %+v", list)
	}
}

func TestDraftRules(t *testing.T) {
	s := open(t, "alice", "bob")
	p := s.say(t, "alice", "hello")
	bad, under, empty, long, canonical := "no language!", "en_US", " ", strings.Repeat("w", 201), "en"
	for _, tt := range []struct {
		name    string
		d       posts.Draft
		pointer string
		code    social.FieldCode
	}{
		{"no text", posts.Draft{}, "/text", social.FieldRequired},
		{"only white space", posts.Draft{Text: " \n\t\u3000"}, "/text", social.FieldRequired},
		{"5,001 code points", posts.Draft{Text: strings.Repeat("é", 5001)}, "/text", social.FieldTooLong},
		{"visibility of a comment", posts.Draft{Text: "x", ReplyTo: p.ID, Visibility: event.Public}, "/visibility",
			social.FieldNotAllowed},
		{"unknown visibility", posts.Draft{Text: "x", Visibility: "friends"}, "/visibility", social.FieldBadFormat},
		{"no such post", posts.Draft{Text: "x", ReplyTo: social.NewID()}, "/reply_to", social.FieldNotFound},
		{"empty warning", posts.Draft{Text: "x", Warning: &empty}, "/warning", social.FieldTooShort},
		{"long warning", posts.Draft{Text: "x", Warning: &long}, "/warning", social.FieldTooLong},
		{"language", posts.Draft{Text: "x", Language: &bad}, "/language", social.FieldBadFormat},
		{"language with underscore", posts.Draft{Text: "x", Language: &under}, "/language", social.FieldBadFormat},
		{"51 mentions", posts.Draft{Text: strings.Repeat("@bob ", 51)}, "/text", social.FieldTooMany},
		{"31 tags", posts.Draft{Text: strings.Repeat("#tag ", 31)}, "/text", social.FieldTooMany},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Publish(t.Context(), s.actor("alice"), tt.d, nil)
			wantField(t, err, tt.pointer, tt.code)
		})
	}
	for name, d := range map[string]posts.Draft{
		"5,000 code points":          {Text: strings.Repeat("é", 5000)},
		"50 mentions, 30 tags":       {Text: strings.Repeat("@bob ", 50) + strings.Repeat("#tag ", 30)},
		"60 names of nobody":         {Text: strings.Repeat("@nobody ", 60)},
		"warning of 200 code points": {Text: "x", Warning: &[]string{strings.Repeat("é", 200)}[0], Language: &canonical},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Publish(t.Context(), s.actor("alice"), d, nil); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	if _, err := s.Publish(t.Context(), social.Actor{}, posts.Draft{Text: "x"}, nil); !social.IsFault(err,
		social.CodeUnauthenticated) {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := s.Publish(t.Context(), social.Actor{UserID: social.NewID()}, posts.Draft{Text: "x"},
		nil); !social.IsFault(err, social.CodeInvalidToken) {
		t.Errorf("an account that has ended: %v", err)
	}
}

// The largest post there can be still fits into one event.
func TestLargestPostFits(t *testing.T) {
	s := open(t, "alice", "abcdefghijklmnopqrstuvwxyz1234")
	name, tag := "@abcdefghijklmnopqrstuvwxyz1234 ", "#"+strings.Repeat("𐌰", 64)+" "
	text := strings.Repeat(name, 50) + strings.Repeat(tag, 30)
	text += strings.Repeat("<", 5000-len([]rune(text)))
	p := s.say(t, "alice", text)
	if rows := s.Outbox(t); len(rows) != 1 || len(rows[0].Data) > storage.MaxPayload {
		t.Errorf("%d entries for %s, the first of %d bytes", len(rows), p.ID, len(rows[0].Data))
	}
}

func TestAnnouncements(t *testing.T) {
	s := open(t, "alice", "bob", "carl", "dora", "eve", "finn")
	mine := social.Stream{Kind: social.By, User: s.id("alice")}
	public := s.say(t, "alice", "First light, @bob #harbour")
	followers := s.write(t, "alice", posts.Draft{Text: "for followers @bob @carl @dora @eve @finn",
		Visibility: event.Followers})
	s.write(t, "alice", posts.Draft{Text: "for @bob", Visibility: event.Mentioned})
	s.answer(t, "alice", public, "a comment")
	rows := s.Outbox(t)
	if len(rows) != 2 || rows[0].Stream != mine || rows[1].Stream != mine || rows[0].Object != public.ID ||
		rows[1].Object != followers.ID {
		t.Fatalf("announced %v, want the two posts for everybody and followers, in by:alice", rows)
	}
	names := map[string]string{public.ID.String(): "post", s.id("alice").String(): "alice", s.id("bob").String(): "bob"}
	golden(t, "post.created.json", rows[0].Data, names)
	if want := []social.ID{s.id("alice"), s.id("bob"), s.id("carl"), s.id("dora")}; !slices.Equal(rows[1].About,
		want) || rows[1].Actor != s.id("alice") {
		t.Errorf("about %v by %s, want the author and the first three named", rows[1].About, rows[1].Actor)
	}

	s.remove(t, "alice", public)
	rows = s.Outbox(t)
	if len(rows) != 4 || !rows[0].Redacted || rows[1].Redacted || rows[2].Op != storage.OpRedact ||
		rows[2].Object != public.ID || rows[3].Type != social.EventPostDeleted || rows[3].Redacted {
		t.Fatalf("after the deletion: %v; want post.created emptied, a redact entry, then post.deleted", rows)
	}
	golden(t, "post.deleted.json", rows[3].Data, names)
}

// TestW27PostIsOneAnnouncement: the tutorial wrote to every follower inside the upload's transaction.
func TestW27PostIsOneAnnouncement(t *testing.T) {
	s := open(t, "alice")
	for i := range 300 {
		name := fmt.Sprintf("reader%d", i)
		s.users.add(name)
		s.follow(name, "alice")
	}
	s.say(t, "alice", "one")
	if rows := s.Outbox(t); len(rows) != 1 {
		t.Errorf("a post to 300 followers made %d outbox rows, want 1", len(rows))
	}
}

// TestW28PostHasLinkAndAuthor: the tutorial sent a sentence without ids.
func TestW28PostHasLinkAndAuthor(t *testing.T) {
	s := open(t, "alice")
	p := s.say(t, "alice", "hello")
	var got posts.Content
	s.Outbox(t)[0].Decode(t, &got)
	if got.ID != p.ID || got.URL != "https://social.example/p/"+p.ID.String() || got.Author == nil ||
		got.Author.Username != "alice" {
		t.Errorf("announced %+v, want the post's id, its address and its author", got)
	}
	if f := s.facts.drain()[0].(event.PostPublished); f.Post.URL != got.URL || f.Post.Excerpt != "hello" {
		t.Errorf("told other modules %+v", f.Post)
	}
}

// H27: one post, one event, equal answers; another body is refused; keys are per person.
func TestSameKeyAHundredTimes(t *testing.T) {
	s := open(t, "alice", "bob")
	publish := func(who, text, key string) (posts.Post, bool, error) {
		once := storage.NewOnce(s.actor(who), s.Clock.Now(), "POST /v1/posts", key, []byte(text))
		p, err := s.Publish(t.Context(), s.actor(who), posts.Draft{Text: text + " @bob #tag"}, once)
		return p, once.Replayed(), err
	}
	var wg sync.WaitGroup
	answers := make([]posts.Post, 100)
	replays := make([]bool, 100)
	for i := range answers {
		wg.Go(func() {
			err := storage.ErrBusy
			for errors.Is(err, storage.ErrBusy) { // refused before it began; a client comes back
				answers[i], replays[i], err = publish("alice", "hello", "k1")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := 0
	for i := range answers {
		if fmt.Sprintf("%+v", deref(answers[i])) != fmt.Sprintf("%+v", deref(answers[0])) {
			t.Fatalf("answer %d is %+v, the first %+v", i, answers[i], answers[0])
		}
		if !replays[i] {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d answers are not marked as replays, want 1", first)
	}
	if rows := s.Outbox(t); len(rows) != 1 {
		t.Errorf("%d events, want 1", len(rows))
	}
	same(t, "posts of alice", s.by(t, "", "alice", true), []string{"hello @bob #tag"})
	_, _, err := publish("alice", "other", "k1")
	wantFault(t, err, social.CodeIdempotencyMismatch)
	if p, replayed, err := publish("bob", "hello", "k1"); err != nil || replayed || p.ID == answers[0].ID {
		t.Errorf("bob's request with the same key gave %s, %v, %v", p.ID, replayed, err)
	}
}

// deref makes a post comparable by text.
func deref(p posts.Post) any {
	return []any{p.ID, *p.Author, p.Text, p.Mentions, p.Tags, p.CreatedAt, *p.Viewer, p.Visibility, p.URL}
}

func TestEndedBetweenLookupAndTransaction(t *testing.T) {
	s := open(t, "alice", "bob")
	s.Ports.Users = leaving{s.users, s.id("bob")}
	if p := s.say(t, "alice", "hello @bob"); len(p.Mentions) != 0 {
		t.Errorf("named %+v, who is not there any more", p.Mentions)
	}
}

// leaving knows a name to which nobody belongs any more.
type leaving struct {
	*people
	gone social.ID
}

func (l leaving) Refs(ctx ctx, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	out, err := l.people.Refs(ctx, q, ids)
	delete(out, l.gone)
	return out, err
}

// budget is a limiter that has so much left.
type budget struct{ left int }

func (b *budget) Spend(name social.Budget, _ string, cost int) error {
	if name != social.BudgetMentions || cost > b.left {
		return social.NewFault(social.CodeRateLimited, "Too many.")
	}
	b.left -= cost
	return nil
}

// TestMentionsHaveABudget: each person named costs one, once, and nothing is written when too little is left; oneself
// costs nothing, and neither does a repetition under the same key.
func TestMentionsHaveABudget(t *testing.T) {
	s := open(t, "alice", "bob", "carol")
	left := &budget{left: 3}
	s.Ports.Limits = left
	s.say(t, "alice", "@bob @carol @bob and me, @alice")
	if left.left != 1 {
		t.Fatalf("%d are left, want 1", left.left)
	}
	rows := len(s.Outbox(t))
	_, err := s.Publish(t.Context(), s.actor("alice"), posts.Draft{Text: "@bob @carol"}, nil)
	wantFault(t, err, social.CodeRateLimited)
	if len(s.Outbox(t)) != rows || len(s.by(t, "alice", "alice", true)) != 1 {
		t.Error("what was refused was written")
	}
	once := func() *storage.Once {
		return storage.NewOnce(s.actor("alice"), s.Clock.Now(), "POST /v1/posts", "key", []byte("{}"))
	}
	for range 2 {
		if _, err := s.Publish(t.Context(), s.actor("alice"), posts.Draft{Text: "@bob"}, once()); err != nil {
			t.Fatal(err)
		}
	}
	s.say(t, "alice", "nobody")
	if left.left != 0 {
		t.Errorf("%d are left, want 0", left.left)
	}
}
