package posts

import (
	"encoding/json"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
)

// Content is a post or a comment as it is announced: the same for every reader.
type Content struct {
	ID           social.ID        `json:"id"`
	URL          string           `json:"url"`
	Author       *social.UserRef  `json:"author" doc:"null in the place of a deleted comment."`
	Text         string           `json:"text"`
	Media        []social.Media   `json:"media"`
	ReplyTo      *ReplyTo         `json:"reply_to"`
	RootID       social.ID        `json:"root_id" doc:"The top post; the post's own id at top level."`
	RepostOf     *social.ID       `json:"repost_of"`
	Visibility   event.Visibility `json:"visibility" enum:"public,followers,mentioned"`
	Sensitive    bool             `json:"sensitive"`
	Warning      *string          `json:"warning"`
	Language     *string          `json:"language"`
	Mentions     []Mention        `json:"mentions"`
	Tags         []Tag            `json:"tags"`
	LikeCount    int64            `json:"like_count"`
	CommentCount int64            `json:"comment_count" doc:"All below it that are not deleted."`
	RepostCount  int64            `json:"repost_count"`
	Deleted      bool             `json:"deleted" doc:"The place of a deleted comment that still has comments."`
	CreatedAt    social.Time      `json:"created_at"`
	EditedAt     *social.Time     `json:"edited_at"`
}

// Post is a post or a comment as one reader sees it.
type Post struct {
	Content
	Viewer *Viewer `json:"viewer" doc:"How the asker stands to it; null when anonymous."`
}

// Viewer is how a reader stands to a post.
type Viewer struct {
	Liked       bool `json:"liked"`
	Bookmarked  bool `json:"bookmarked"`
	Reposted    bool `json:"reposted"`
	ThreadMuted bool `json:"thread_muted"`
}

// ReplyTo names what a comment answers.
type ReplyTo struct {
	PostID   social.ID `json:"post_id"`
	AuthorID social.ID `json:"author_id"`
}

// Mention is a person named in the text. Start and End count code points; End is exclusive.
type Mention struct {
	UserID   social.ID `json:"user_id"`
	Username string    `json:"username"`
	Start    int       `json:"start"`
	End      int       `json:"end"`
}

// Tag is a hashtag in the text, folded by case and width. Start and End count code points; End is exclusive.
type Tag struct {
	Tag   string `json:"tag"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// LikeState is the answer to a like.
type LikeState struct {
	PostID    social.ID `json:"post_id"`
	Liked     bool      `json:"liked"`
	LikeCount int64     `json:"like_count"`
}

const excerptLen = 280 // code points of event.PostInfo.Excerpt

// content makes the post of a row. A nil author is an ended account: the post is a tombstone then.
func (s *Service) content(r row, author *social.UserRef) Content {
	c := Content{ID: r.id, URL: s.site.PostURL(r.id), Media: []social.Media{}, RootID: r.rootID, Visibility: r.visibility,
		Mentions: []Mention{}, Tags: []Tag{}, CommentCount: r.comments, CreatedAt: r.createdAt}
	if !r.replyTo.IsZero() {
		c.ReplyTo = &ReplyTo{PostID: r.replyTo, AuthorID: r.replyAuthor}
	}
	if r.deleted || author == nil {
		c.Deleted = true
		return c
	}
	c.Author, c.Text, c.Sensitive, c.Warning, c.Language, c.LikeCount = author, r.text, r.sensitive, r.warning,
		r.language, r.likes
	c.EditedAt = r.editedAt
	if len(r.mentions) > 0 {
		c.Mentions = r.mentions
	}
	if len(r.tags) > 0 {
		c.Tags = r.tags
	}
	for _, m := range r.media {
		c.Media = append(c.Media, s.site.ShownMedia(m))
	}
	return c
}

// post makes the post of a row for a reader; liked comes with the row.
func (s *Service) post(r row, author *social.UserRef, reader social.ID) Post {
	p := Post{Content: s.content(r, author)}
	if !reader.IsZero() {
		p.Viewer = &Viewer{Liked: r.liked && !p.Deleted}
	}
	return p
}

// info is what other modules need to know of a row.
func (s *Service) info(r row, author social.UserRef) event.PostInfo {
	i := event.PostInfo{ID: r.id, Key: r.key, Author: author, ReplyTo: r.replyTo, ReplyAuthor: r.replyAuthor,
		RootID: r.rootID, RootAuthor: r.rootAuthor, Visibility: r.visibility, Excerpt: excerpt(r.text),
		URL: s.site.PostURL(r.id), LikeCount: r.likes, CommentCount: r.comments, CreatedAt: r.createdAt}
	i.Mentions = named(r.mentions, author.ID)
	if len(r.media) > 0 {
		i.PreviewURL = s.site.ShownMedia(r.media[0]).PreviewURL
	}
	return i
}

// named gives the people of mentions once each, without author.
func named(list []Mention, author social.ID) []social.ID {
	var out []social.ID
	for _, m := range list {
		if m.UserID != author && !slices.Contains(out, m.UserID) {
			out = append(out, m.UserID)
		}
	}
	return out
}

func excerpt(text string) string {
	n := 0
	for i := range text {
		if n == excerptLen {
			return text[:i]
		}
		n++
	}
	return text
}

// pack and unpack are the stored form of mentions, tags and media; none is NULL.
func pack[T any](list []T) (*string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(list)
	text := string(b)
	return &text, err
}

func unpack[T any](text *string) (list []T, err error) {
	if text != nil {
		err = json.Unmarshal([]byte(*text), &list)
	}
	return list, err
}
