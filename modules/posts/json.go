package posts

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"unicode/utf8"

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
	b = append(appendID(append(b, `{"id":`...), c.ID), `,"url":`...)
	b = append(appendString(b, c.URL), `,"author":`...)
	if c.Author == nil {
		b = append(b, "null"...)
	} else {
		b = appendRef(b, c.Author)
	}
	b = append(appendString(append(b, `,"text":`...), c.Text), `,"media":`...)
	b, err := appendList(b, c.Media)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"reply_to":`...)
	if c.ReplyTo == nil {
		b = append(b, "null"...)
	} else {
		b = appendID(append(b, `{"post_id":`...), c.ReplyTo.PostID)
		b = append(appendID(append(b, `,"author_id":`...), c.ReplyTo.AuthorID), '}')
	}
	b = append(appendID(append(b, `,"root_id":`...), c.RootID), `,"repost_of":`...)
	if c.RepostOf == nil {
		b = append(b, "null"...)
	} else {
		b = appendID(b, *c.RepostOf)
	}
	b = appendString(append(b, `,"visibility":`...), string(c.Visibility))
	b = strconv.AppendBool(append(b, `,"sensitive":`...), c.Sensitive)
	b = appendOptional(append(b, `,"warning":`...), c.Warning)
	b = append(appendOptional(append(b, `,"language":`...), c.Language), `,"mentions":`...)
	if b, err = appendList(b, c.Mentions); err != nil {
		return nil, err
	}
	if b, err = appendList(append(b, `,"tags":`...), c.Tags); err != nil {
		return nil, err
	}
	b = strconv.AppendInt(append(b, `,"like_count":`...), c.LikeCount, 10)
	b = strconv.AppendInt(append(b, `,"comment_count":`...), c.CommentCount, 10)
	b = strconv.AppendInt(append(b, `,"repost_count":`...), c.RepostCount, 10)
	b = strconv.AppendBool(append(b, `,"deleted":`...), c.Deleted)
	b = appendTime(append(b, `,"created_at":`...), &c.CreatedAt)
	return appendTime(append(b, `,"edited_at":`...), c.EditedAt), nil
}

func appendRef(b []byte, r *social.UserRef) []byte {
	b = appendID(append(b, `{"id":`...), r.ID)
	b = appendString(append(b, `,"username":`...), r.Username)
	b = appendString(append(b, `,"display_name":`...), r.DisplayName)
	return append(appendOptional(append(b, `,"avatar_url":`...), r.AvatarURL), '}')
}

func appendID(b []byte, id social.ID) []byte {
	b = append(b, '"')
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return append(b, '"')
}

func appendTime(b []byte, t *social.Time) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	b, _ = t.AppendText(append(b, '"')) // never fails
	return append(b, '"')
}

func appendOptional(b []byte, text *string) []byte {
	if text == nil {
		return append(b, "null"...)
	}
	return appendString(b, *text)
}

// appendList leaves what most posts do not have to encoding/json.
func appendList[T any](b []byte, list []T) ([]byte, error) {
	if list != nil && len(list) == 0 {
		return append(b, "[]"...), nil
	}
	text, err := json.Marshal(list)
	return append(b, text...), err
}

// appendString appends text as encoding/json does: what would mean something in HTML or JavaScript is escaped, and
// what is not UTF-8 is replaced.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = appendEscape(append(b, text[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, text[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, text[start:i]...), `\u202`...)
			b = append(b, "89"[r-'\u2028'])
			start = i + size
		}
		i += size
	}
	return append(append(b, text[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return hex.AppendEncode(append(b, `\u00`...), []byte{c})
}
