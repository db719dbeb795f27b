package posts_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

// A post writes itself as encoding/json would, whatever is in it, alone and in a list.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := social.List[posts.Post]{Items: rapid.SliceOfN(rapid.Custom(anyPost), 0, 3).Draw(t, "items"),
			Next: rapid.Ptr(rapid.StringMatching(`[A-Za-z0-9_-]{28}`), true).Draw(t, "next"),
			Prev: rapid.Ptr(rapid.StringMatching(`[A-Za-z0-9_-]{28}`), true).Draw(t, "prev")}
		sameAsJSON(t, list, list.AppendJSON)
		for _, p := range list.Items {
			sameAsJSON(t, p, p.AppendJSON)
			sameAsJSON(t, p.Content, p.Content.AppendJSON)
		}
	})
}

// Texts that a program may trip over, and texts that are none.
func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "plain", "\x00\x1f\x7f\b\f\n\r\t\"\\/", "<b>&amp;</b>", "\u2028\u2029\u202a",
		"\xff\xe2\x80", "ÿ漢字🐱\ufffd"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := posts.Post{Content: posts.Content{Text: text, Warning: &text, Author: &social.UserRef{DisplayName: text}}}
		sameAsJSON(t, p, p.AppendJSON)
	})
}

func sameAsJSON(t interface {
	Fatalf(string, ...any)
}, v any, appendJSON func([]byte) ([]byte, error)) {
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := appendJSON([]byte("before "))
	if err != nil || string(got) != "before "+string(want) {
		t.Fatalf("\n got %s (%v)\nwant %s", got, err, want)
	}
}

// anyPost draws a post that need not make sense.
func anyPost(t *rapid.T) posts.Post {
	id := rapid.Custom(func(t *rapid.T) (id social.ID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id
	})
	text, number := rapid.String(), rapid.Int64()
	moment := rapid.Custom(func(t *rapid.T) social.Time { return social.Time(rapid.Int64Range(0, 1<<42).Draw(t, "time")) })
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	p := posts.Post{Content: posts.Content{ID: id.Draw(t, "id"), URL: text.Draw(t, "url"), Text: text.Draw(t, "text"),
		RootID:   id.Draw(t, "root"),
		RepostOf: rapid.Ptr(id, true).Draw(t, "repost"), Visibility: event.Visibility(text.Draw(t, "visibility")),
		Sensitive: flag("sensitive"),
		Warning:   rapid.Ptr(text, true).Draw(t, "warning"), Language: rapid.Ptr(text, true).Draw(t, "language"),
		LikeCount:    number.Draw(t, "likes"),
		CommentCount: number.Draw(t, "comments"), RepostCount: number.Draw(t, "reposts"), Deleted: flag("deleted"),
		CreatedAt: moment.Draw(t, "created"), EditedAt: rapid.Ptr(moment, true).Draw(t, "edited")}}
	if flag("has author") {
		p.Author = &social.UserRef{ID: id.Draw(t, "author"), Username: text.Draw(t, "name"), DisplayName: text.Draw(t,
			"shown"),
			AvatarURL: rapid.Ptr(text, true).Draw(t, "avatar")}
	}
	if flag("is a reply") {
		p.ReplyTo = &posts.ReplyTo{PostID: id.Draw(t, "to"), AuthorID: id.Draw(t, "to author")}
	}
	if flag("has lists") {
		p.Media, p.Mentions, p.Tags = []social.Media{}, []posts.Mention{}, []posts.Tag{}
	}
	if flag("names somebody") {
		part := func(name string) float64 { return float64(rapid.IntRange(-10_000, 10_000).Draw(t, name)) / 10_000 }
		p.Media = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) social.Media {
			return social.Media{ID: id.Draw(t, "media"), Kind: text.Draw(t, "kind"), State: text.Draw(t, "state"),
				MIME: text.Draw(t, "mime"), Bytes: number.Draw(t, "bytes"), Width: rapid.Int().Draw(t, "width"),
				Height: rapid.Int().Draw(t, "height"), URL: rapid.Ptr(text, true).Draw(t, "file"),
				PreviewURL: rapid.Ptr(text, true).Draw(t, "preview"), Blurhash: rapid.Ptr(text, true).Draw(t, "blurhash"),
				Alt: text.Draw(t, "alt"), Focus: social.Focus{X: part("x"), Y: part("y")}, CreatedAt: moment.Draw(t, "sent")}
		}), 0, 3).Draw(t, "pictures")
		p.Mentions = []posts.Mention{{UserID: id.Draw(t, "mentioned"), Username: text.Draw(t, "mention"), Start: 1, End: 2}}
		p.Tags = []posts.Tag{{Tag: text.Draw(t, "tag"), Start: 3, End: 4}}
	}
	if flag("has a viewer") {
		p.Viewer = &posts.Viewer{Liked: flag("liked"), Bookmarked: flag("bookmarked"), Reposted: flag("reposted"),
			ThreadMuted: flag("muted")}
	}
	return p
}
