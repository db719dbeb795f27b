package posts_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

func to[T any](v T) posts.Change[T] { return posts.Change[T]{Set: true, Value: &v} }

func text(s string) posts.Edit { return posts.Edit{Text: to(s)} }

// edit changes a post and fails the test if it cannot.
func (s *site) edit(t testing.TB, who string, p posts.Post, e posts.Edit) posts.Post {
	t.Helper()
	out, err := s.Edit(t.Context(), s.actor(who), p.ID, e, "")
	if err != nil {
		t.Fatalf("%s edits %q: %v", who, p.Text, err)
	}
	return out
}

// TestEdit: what is given changes, the rest stays, and every list shows it, of this process and others.
func TestEdit(t *testing.T) {
	s := open(t, "alice", "bob", "carol")
	other := s.process(posts.DefaultConfig())
	s.follow("carol", "alice")
	warning, language := "careful", "en"
	p := s.write(t, "alice", posts.Draft{Text: "one @bob #old #both",
		Warning: &warning, Language: &language, Sensitive: true})
	s.like(t, "carol", p, true)
	s.answer(t, "bob", p, "comment")
	for _, at := range []*site{s, other} { // memory holds it
		same(t, "home", at.home(t, "carol"), []string{"one @bob #old #both"})
		same(t, "local", at.local(t, ""), []string{"one @bob #old #both"})
	}
	s.Advance(1000)
	s.facts.drain()
	s.DrainOutbox(t)
	got := s.edit(t, "alice", p, text("two @carol #both #new"))
	if got.EditedAt == nil || *got.EditedAt != s.Clock.Now() || got.CreatedAt != p.CreatedAt || got.Warning == nil ||
		got.Language == nil || !got.Sensitive || got.LikeCount != 1 || got.CommentCount != 1 || len(got.Mentions) != 1 ||
		got.Mentions[0].UserID != s.id("carol") || len(got.Tags) != 2 || got.Tags[1].Tag != "new" {
		t.Errorf("after the edit: %+v", got)
	}
	for _, at := range []*site{s, other} {
		same(t, "home", at.home(t, "carol"), []string{"two @carol #both #new"})
		same(t, "local", at.local(t, ""), []string{"two @carol #both #new"})
		for tag, want := range map[string][]string{"old": {}, "both": {got.Text}, "new": {got.Text}} {
			same(t, tag, at.tagged(t, "", tag), want)
		}
		if now := at.get(t, "alice", p); now.Text != got.Text || now.EditedAt == nil || *now.EditedAt != *got.EditedAt {
			t.Errorf("read as %+v", now)
		}
	}
	rows := s.DrainOutbox(t)
	if len(rows) != 1 || rows[0].Type != social.EventPostUpdated || rows[0].Object != p.ID ||
		rows[0].Stream != (social.Stream{Kind: social.By, User: s.id("alice")}) {
		t.Fatalf("announced %v", rows)
	}
	var told posts.Content
	if rows[0].Decode(t, &told); told.Text != got.Text || told.EditedAt == nil {
		t.Errorf("announced %+v", told)
	}
	facts := s.facts.drain()
	f, ok := facts[0].(event.PostEdited)
	if !ok || len(facts) != 1 || f.Post.Excerpt != got.Text || !slices.Equal(f.Named, []social.ID{s.id("carol")}) ||
		!slices.Equal(f.Unnamed, []social.ID{s.id("bob")}) {
		t.Errorf("told %+v", facts)
	}
	none := posts.Change[string]{Set: true}
	got = s.edit(t, "alice", p, posts.Edit{Warning: none, Language: none,
		Sensitive: posts.Change[bool]{Set: true}})
	if got.Warning != nil || got.Language != nil || got.Sensitive || got.Text != "two @carol #both #new" ||
		len(got.Mentions) != 1 || len(got.Tags) != 2 {
		t.Errorf("cleared: %+v", got)
	}
}

// TestEditOfNothing: an edit that changes nothing is none, and one of what followers are not told of tells them
// nothing.
func TestEditOfNothing(t *testing.T) {
	s := open(t, "alice", "bob")
	p := s.say(t, "alice", "@bob #tag")
	comment := s.answer(t, "bob", p, "comment")
	named := s.write(t, "alice", posts.Draft{Text: "@bob", Visibility: event.Mentioned})
	s.DrainOutbox(t)
	s.facts.drain()
	for _, e := range []posts.Edit{{}, text("@bob #tag"), {Sensitive: to(false)},
		{Warning: posts.Change[string]{Set: true}}} {
		if got := s.edit(t, "alice", p, e); got.EditedAt != nil || len(got.Mentions) != 1 || len(got.Tags) != 1 {
			t.Errorf("%+v made %+v", e, got)
		}
	}
	if rows, facts := s.DrainOutbox(t), s.facts.drain(); len(rows)+len(facts) != 0 {
		t.Errorf("nothing changed, and it was told: %v %v", rows, facts)
	}
	s.edit(t, "bob", comment, text("changed"))
	s.edit(t, "alice", named, text("@bob changed"))
	if rows, facts := s.DrainOutbox(t), s.facts.drain(); len(rows) != 0 || len(facts) != 2 {
		t.Errorf("announced %v, told %v", rows, facts)
	}
}

// TestEditOfWhoIsNamed: a post for those named is for those named now, and so is what stands below it.
func TestEditOfWhoIsNamed(t *testing.T) {
	s := open(t, "alice", "bob", "carol")
	s.follow("bob", "alice")
	s.follow("carol", "alice")
	p := s.write(t, "alice", posts.Draft{Text: "@bob", Visibility: event.Mentioned})
	comment := s.answer(t, "bob", p, "comment")
	sees := func(who string, want bool) {
		t.Helper()
		for _, one := range []posts.Post{p, comment} {
			if _, err := s.Get(t.Context(), s.id(who), one.ID); (err == nil) != want {
				t.Errorf("%s reads %q: %v, want %v", who, one.Text, err, want)
			}
		}
		if got := len(s.home(t, who)) == 1; got != want {
			t.Errorf("%s has it in the home timeline: %v, want %v", who, got, want)
		}
	}
	sees("bob", true)
	sees("carol", false)
	s.edit(t, "alice", p, text("@carol"))
	sees("alice", true)
	if _, err := s.Get(t.Context(), s.id("bob"), comment.ID); err == nil {
		t.Error("bob, who is not named any more, still reads what stands below it")
	}
	sees("bob", false)
	sees("carol", true)
	s.edit(t, "alice", p, text("nobody"))
	sees("alice", true)
	sees("carol", false)
}

// TestEditRefused: rules are those of drafts, and nothing is written.
func TestEditRefused(t *testing.T) {
	s := open(t, "alice", "bob", "carol")
	p, gone := s.say(t, "alice", "mine @bob"), s.say(t, "alice", "gone")
	s.remove(t, "alice", gone)
	rows := len(s.Outbox(t))
	edit := func(who string, id social.ID, e posts.Edit, ifMatch string) error {
		_, err := s.Edit(t.Context(), s.actor(who), id, e, ifMatch)
		return err
	}
	for _, id := range []social.ID{gone.ID, social.NewID()} {
		wantFault(t, edit("alice", id, text("x"), ""), social.CodeNotFound)
	}
	wantFault(t, edit("bob", p.ID, text("x"), ""), social.CodeNotFound)
	wantFault(t, edit("alice", p.ID, text("x"), `"other"`), social.CodePreconditionFailed)
	for pointer, e := range map[string]posts.Edit{"/text": text(" "), "/warning": {Warning: to("")},
		"/language": {Language: to("no language")}} {
		err := edit("alice", p.ID, e, "")
		if f, ok := err.(*social.Fault); !ok || len(f.Fields) != 1 || f.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	wantField(t, edit("alice", p.ID, posts.Edit{Text: posts.Change[string]{Set: true}}, ""), "/text", social.FieldRequired)
	wantField(t, edit("alice", p.ID, text(strings.Repeat("@bob ", 51)), ""), "/text", social.FieldTooMany)
	left := &budget{left: 1}
	s.Ports.Limits = left
	wantFault(t, edit("alice", p.ID, text("@carol @alice @bob"), `"other"`),
		social.CodePreconditionFailed)
	if len(s.Outbox(t)) != rows || left.left != 1 {
		t.Error("what was refused was written or paid for")
	}
	body, err := json.Marshal(s.get(t, "alice", p))
	if err != nil {
		t.Fatal(err)
	}
	if err := edit("alice", p.ID, text("@bob again, @carol and @alice"), social.ETagOf(body, false)); err != nil {
		t.Error(err)
	}
	if left.left != 0 {
		t.Errorf("%d are left: only who is newly named costs", left.left)
	}
	s.edit(t, "alice", p, text("@carol alone"))
	wantFault(t, edit("alice", p.ID, text("@bob is new again"), ""), social.CodeRateLimited)
}
