package notifications_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

// A notification writes itself as encoding/json would, whatever is in it, alone, in a list and as an answer.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := social.List[notifications.Notification]{Items: rapid.SliceOfN(rapid.Custom(anyNotification), 0, 3).Draw(t, "items"),
			Next: rapid.Ptr(rapid.StringMatching(`[A-Za-z0-9_-]{28}`), true).Draw(t, "next")}
		sameAsJSON(t, list, list.AppendJSON)
		for _, n := range list.Items {
			sameAsJSON(t, n, n.AppendJSON)
			answer := notifications.Pushed{Notification: &n, Dropped: list.Next}
			sameAsJSON(t, answer, answer.AppendJSON)
		}
		dropped := notifications.Pushed{Dropped: list.Next}
		sameAsJSON(t, dropped, dropped.AppendJSON)
	})
}

// Texts that a program may trip over, and texts that are none; as data, they are JSON or an error.
func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "plain", "\x00\x1f\x7f\b\f\n\r\t\"\\/", "<b>&amp;</b>", "\u2028\u2029\u202a", "\xff\xe2\x80", "ÿ漢字🐱\ufffd",
		`{"a": "<\u2028>", "b":1 }`, `null`, `{"a":`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		who := social.UserRef{Username: text, DisplayName: text, AvatarURL: &text}
		n := notifications.Notification{Type: text, Actor: &who, Text: text, Content: &text, URL: text,
			Object: &notifications.Object{Kind: text, URL: text, Excerpt: text, PreviewURL: &text},
			Group:  notifications.Group{Actors: []social.UserRef{who, who}}}
		sameAsJSON(t, n, n.AppendJSON)
		n.Data = json.RawMessage(text)
		sameAsJSON(t, n, n.AppendJSON)
	})
}

func sameAsJSON(t interface {
	Fatalf(string, ...any)
}, v any, appendJSON func([]byte) ([]byte, error)) {
	want, wrong := json.Marshal(v)
	got, err := appendJSON([]byte("before "))
	if (err != nil) != (wrong != nil) || err == nil && string(got) != "before "+string(want) {
		t.Fatalf("\n got %s (%v)\nwant %s (%v)", got, err, want, wrong)
	}
}

// anyNotification draws one that need not make sense.
func anyNotification(t *rapid.T) notifications.Notification {
	id := rapid.Custom(func(t *rapid.T) (id social.ID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id
	})
	text := rapid.String()
	maybe := rapid.Ptr(text, true)
	moment := rapid.Custom(func(t *rapid.T) social.Time { return social.Time(rapid.Int64Range(0, 1<<42).Draw(t, "time")) })
	sometimes := rapid.Ptr(moment, true)
	person := rapid.Custom(func(t *rapid.T) social.UserRef {
		return social.UserRef{ID: id.Draw(t, "user"), Username: text.Draw(t, "name"), DisplayName: text.Draw(t, "shown"), AvatarURL: maybe.Draw(t, "avatar")}
	})
	object := rapid.Custom(func(t *rapid.T) notifications.Object {
		return notifications.Object{Kind: text.Draw(t, "kind"), ID: id.Draw(t, "object"), URL: text.Draw(t, "object url"),
			Excerpt: text.Draw(t, "excerpt"), PreviewURL: maybe.Draw(t, "preview")}
	})
	n := notifications.Notification{ID: id.Draw(t, "id"), ReceiverID: id.Draw(t, "receiver"), Type: text.Draw(t, "type"),
		Actor: rapid.Ptr(person, true).Draw(t, "actor"), Object: rapid.Ptr(object, true).Draw(t, "object"),
		Group: notifications.Group{Key: id.Draw(t, "key"), Count: rapid.Int64().Draw(t, "count")},
		Text:  text.Draw(t, "text"), Content: maybe.Draw(t, "content"), URL: text.Draw(t, "url"), IsRead: rapid.Bool().Draw(t, "read"),
		SeenAt: sometimes.Draw(t, "seen"), ReadAt: sometimes.Draw(t, "read at"), ArchivedAt: sometimes.Draw(t, "archived"),
		CreatedAt: moment.Draw(t, "created"), UpdatedAt: moment.Draw(t, "updated")}
	if rapid.Bool().Draw(t, "has actors") {
		n.Group.Actors = rapid.SliceOfN(person, 0, 3).Draw(t, "actors")
	}
	if rapid.Bool().Draw(t, "has data") {
		data, err := json.Marshal(map[string]string{text.Draw(t, "member"): text.Draw(t, "value")})
		if err != nil {
			t.Fatalf("%v", err)
		}
		n.Data = data
	}
	return n
}
