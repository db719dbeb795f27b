package social_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

func TestID(t *testing.T) {
	id := social.NewID()
	back, err := social.ParseID(id.String())
	if err != nil || back != id {
		t.Errorf("%s read back as %s, %v", id, back, err)
	}
	for _, text := range []string{"", "x", strings.ToUpper(id.String()), strings.ReplaceAll(id.String(), "-", ""), "{" +
		id.String() + "}", "urn:uuid:" + id.String(), id.String() + "\n"} {
		if _, err := social.ParseID(text); err == nil {
			t.Errorf("%q was read as an id", text)
		}
	}
	if v, err := (social.ID{}).Value(); v != nil || err != nil {
		t.Errorf("none is stored as %v", v)
	}
	v, _ := id.Value()
	var scanned social.ID
	if err := scanned.Scan(v); err != nil || scanned != id {
		t.Errorf("scanned %s, %v", scanned, err)
	}
	if err := scanned.Scan(nil); err != nil || !scanned.IsZero() {
		t.Errorf("NULL scanned as %s", scanned)
	}
	if err := scanned.Scan([]byte{1, 2}); err == nil {
		t.Error("two bytes were scanned as an id")
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-05-04T10:11:12Z":              "2026-05-04T10:11:12.000Z",
		"2026-05-04T10:11:12.3456789+02:00": "2026-05-04T08:11:12.345Z",
		"1969-12-31T23:59:59.999Z":          "1969-12-31T23:59:59.999Z",
	} {
		var at social.Time
		if err := at.UnmarshalText([]byte(text)); err != nil || at.String() != want {
			t.Errorf("%s became %s, %v", text, at, err)
		}
	}
	for _, text := range []string{"", "2026-05-04", "10:11", "2026-13-01T00:00:00Z", "now", "2026-05-04 10:11:12Z"} {
		var at social.Time
		if err := at.UnmarshalText([]byte(text)); !errors.Is(err, social.ErrBadTime) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := social.Time(0).Add(1500 * time.Millisecond).Sub(500); got != time.Second {
		t.Errorf("1500 ms - 500 ms = %s", got)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]social.Size{"0": 0, "512": 512, "512B": 512, "64KiB": 64 << 10, "16 MiB": 16 << 20,
		"2GiB": 2 << 30} {
		var s social.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q = %d, %v", text, s, err)
		}
		var again social.Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s reads back as %d, %v", s, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "64KB", "9999999999999GiB", "KiB", "1 2"} {
		var s social.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, s)
		}
	}
}

func TestActorNeeds(t *testing.T) {
	person := social.Actor{UserID: social.ID{1}, Role: social.RoleUser}
	token := person
	token.Scopes = []social.Scope{social.ScopeRead}
	suspended := person
	suspended.Suspended = true
	service := social.Actor{ServiceID: social.ID{2}}
	for _, tt := range []struct {
		who   social.Actor
		scope social.Scope
		want  social.Code
	}{
		{social.Actor{}, social.ScopeRead, social.CodeUnauthenticated},
		{person, social.ScopeWritePosts, ""},
		{person, social.ScopeNotifySend, social.CodeInsufficientScope},
		{token, social.ScopeRead, ""},
		{token, social.ScopeWritePosts, social.CodeInsufficientScope},
		{suspended, social.ScopeRead, social.CodeAccountSuspended},
		{service, social.ScopeNotifySend, ""},
		{service, social.ScopeRead, social.CodeInsufficientScope},
	} {
		err := tt.who.Need(tt.scope)
		if (tt.want == "") != (err == nil) || (err != nil && !social.IsFault(err, tt.want)) {
			t.Errorf("%+v needs %s: %v, want %q", tt.who, tt.scope, err, tt.want)
		}
	}
	ctx := social.WithActor(context.Background(), person)
	if got := social.ActorFrom(ctx); got.UserID != person.UserID || !social.ActorFrom(context.Background()).IsAnonymous() {
		t.Errorf("the actor of the context is %+v", got)
	}
}

func TestStream(t *testing.T) {
	for _, s := range []social.Stream{{Kind: social.To, User: social.NewID()}, {Kind: social.By, User: social.NewID()}} {
		b := s.Bytes()
		if back, err := social.StreamOf(b[:]); err != nil || back != s {
			t.Errorf("%s read back as %s, %v", s, back, err)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 16), make([]byte, 17), append([]byte{3}, make([]byte, 16)...)} {
		if _, err := social.StreamOf(b); err == nil {
			t.Errorf("%v was read as a stream", b)
		}
	}
}

// TestEventJSON: the one encoder writes valid JSON with the four members in order, and the id's text form.
func TestEventJSON(t *testing.T) {
	e := social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 1042}, Type: "post.deleted", Time: 1777889472345,
		Data: []byte(`{"id":"x"}`)}
	got, err := json.Marshal(e)
	if want := `{"id":"1-1042","type":"post.deleted","time":"2026-05-04T10:11:12.345Z","data":{"id":"x"}}`; err != nil ||
		string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestAudienceModes(t *testing.T) {
	me, quiet, loud := social.ID{1}, social.ID{2}, social.ID{3}
	a := social.Audience{Person: me, Hidden: map[social.ID]struct{}{{9}: {}}, Sources: []social.Source{
		{Stream: social.Stream{Kind: social.To, User: me}}, {Stream: social.Stream{Kind: social.By, User: me}},
		{Stream: social.Stream{Kind: social.By, User: quiet}}, {Stream: social.Stream{Kind: social.By, User: loud},
			Bell: true}}}
	for mode, want := range map[social.PostsMode]int{social.PostsAll: 4, social.PostsNotify: 2, social.PostsNone: 1} {
		if got := a.ForPosts(mode); len(got.Sources) != want || got.Sources[0].Stream.Kind != social.To {
			t.Errorf("%s reads %d streams, want %d", mode, len(got.Sources), want)
		}
	}
	if !a.Hides(social.Event{About: []social.ID{{5}, {9}}}) || a.Hides(social.Event{About: []social.ID{{5}}}) {
		t.Error("Hides does not follow About")
	}
}

func TestFaults(t *testing.T) {
	err := fmt.Errorf("posts: publish: %w", social.Invalid(social.QueryField("limit", social.FieldTooLarge,
		"At most 100.")))
	if !social.IsFault(err, social.CodeValidationFailed) || social.IsFault(err, social.CodeNotFound) ||
		social.IsFault(errors.New("x"), social.CodeInternal) {
		t.Errorf("IsFault does not tell %v", err)
	}
	gap := &social.GapError{From: social.Cursor{Epoch: 1, Seq: 2}, To: social.Cursor{Epoch: 1, Seq: 9},
		Reason: social.GapExpired}
	if gap.Error() != "gap expired from 1-2 to 1-9" {
		t.Errorf("%v", gap)
	}
}

func TestETag(t *testing.T) {
	a, b := social.ETagOf([]byte("a"), false), social.ETagOf([]byte("b"), false)
	if a == b || a[0] != '"' || social.ETagOf([]byte("a"), true) != "W/"+a {
		t.Errorf("%s %s", a, b)
	}
}
