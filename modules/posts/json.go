package posts

import (
	"encoding/json"
	"strconv"

	"github.com/belfry-social/belfry/modules/social"
)

// AppendJSON appends the post, byte for byte as encoding/json writes it, at a small part of the cost: lists of posts
// are what people ask for most.
func (p Post) AppendJSON(b []byte) ([]byte, error) {
	b, err := p.appendFields(b)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"viewer":`...)
	if p.Viewer == nil {
		return append(b, "null}"...), nil
	}
	b = strconv.AppendBool(append(b, `{"liked":`...), p.Viewer.Liked)
	b = strconv.AppendBool(append(b, `,"bookmarked":`...), p.Viewer.Bookmarked)
	b = strconv.AppendBool(append(b, `,"reposted":`...), p.Viewer.Reposted)
	b = strconv.AppendBool(append(b, `,"thread_muted":`...), p.Viewer.ThreadMuted)
	return append(b, "}}"...), nil
}

// AppendJSON appends the announced form, byte for byte as encoding/json writes it: it is the writer's time.
func (c *Content) AppendJSON(b []byte) ([]byte, error) {
	b, err := c.appendFields(b)
	return append(b, '}'), err
}

// appendFields appends a post without the closing brace.
func (c *Content) appendFields(b []byte) ([]byte, error) {
	b = append(social.AppendJSONID(append(b, `{"id":`...), c.ID), `,"url":`...)
	b = append(social.AppendJSONText(b, c.URL), `,"author":`...)
	b = social.AppendJSONRef(b, c.Author)
	b = append(social.AppendJSONText(append(b, `,"text":`...), c.Text), `,"media":`...)
	b = social.AppendJSONMedia(b, c.Media)
	b = append(b, `,"reply_to":`...)
	if c.ReplyTo == nil {
		b = append(b, "null"...)
	} else {
		b = social.AppendJSONID(append(b, `{"post_id":`...), c.ReplyTo.PostID)
		b = append(social.AppendJSONID(append(b, `,"author_id":`...), c.ReplyTo.AuthorID), '}')
	}
	b = append(social.AppendJSONID(append(b, `,"root_id":`...), c.RootID), `,"repost_of":`...)
	if c.RepostOf == nil {
		b = append(b, "null"...)
	} else {
		b = social.AppendJSONID(b, *c.RepostOf)
	}
	b = social.AppendJSONText(append(b, `,"visibility":`...), string(c.Visibility))
	b = strconv.AppendBool(append(b, `,"sensitive":`...), c.Sensitive)
	b = social.AppendJSONOptional(append(b, `,"warning":`...), c.Warning)
	b = append(social.AppendJSONOptional(append(b, `,"language":`...), c.Language), `,"mentions":`...)
	b, err := appendList(b, c.Mentions)
	if err != nil {
		return nil, err
	}
	if b, err = appendList(append(b, `,"tags":`...), c.Tags); err != nil {
		return nil, err
	}
	b = strconv.AppendInt(append(b, `,"like_count":`...), c.LikeCount, 10)
	b = strconv.AppendInt(append(b, `,"comment_count":`...), c.CommentCount, 10)
	b = strconv.AppendInt(append(b, `,"repost_count":`...), c.RepostCount, 10)
	b = strconv.AppendBool(append(b, `,"deleted":`...), c.Deleted)
	b = social.AppendJSONTime(append(b, `,"created_at":`...), &c.CreatedAt)
	return social.AppendJSONTime(append(b, `,"edited_at":`...), c.EditedAt), nil
}

// appendList leaves what most posts do not have to encoding/json.
func appendList[T any](b []byte, list []T) ([]byte, error) {
	if list != nil && len(list) == 0 {
		return append(b, "[]"...), nil
	}
	text, err := json.Marshal(list)
	return append(b, text...), err
}
