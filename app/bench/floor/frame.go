package floor

import (
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// appendFrame appends an event with the bytes of a post by somebody; text is JSON.
func appendFrame(b []byte, seq int, at time.Time, host string, author, post social.ID, text []byte) []byte {
	stamp := social.TimeOf(at)
	b = fmt.Appendf(b, "id: 1-%d\nevent: post.created\n", seq)
	b = fmt.Appendf(b, `data: {"id":"1-%d","type":"post.created","time":"%s","data":`, seq, stamp)
	b = fmt.Appendf(b, `{"id":"%s","url":"http://%s/p/%s",`, post, host, post)
	b = fmt.Appendf(b, `"author":{"id":"%s","username":"p0","display_name":"Person 0","avatar_url":null},"text":`, author)
	b = append(b, text...)
	b = fmt.Appendf(b, `,"media":[],"reply_to":null,"root_id":"%s","repost_of":null,"visibility":"public",`, post)
	b = append(b, `"sensitive":false,"warning":null,"language":"en","mentions":[],"tags":[],`+
		`"like_count":0,"comment_count":0,"repost_count":0,"deleted":false,`...)
	return fmt.Appendf(b, "\"created_at\":\"%s\",\"edited_at\":null}}\n\n", stamp)
}

// appendHead appends the answer to a stream with its first event, as long as a server's.
func appendHead(b []byte, at time.Time, seq int, connection, user social.ID) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n"+
		"X-Accel-Buffering: no\r\nVary: Accept, Authorization, Cookie, Origin\r\nX-Content-Type-Options: nosniff\r\n"+
		"X-Request-Id: 0198f3a2b7d17f0e9c3a\r\nDate: "...)
	b = at.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	b = fmt.Appendf(b, "\r\nConnection: close\r\n\r\nid: 1-%d\nevent: ready\nretry: 2000\n", seq)
	b = fmt.Appendf(b, `data: {"connection":"%s","user_id":"%s","cursor":"1-%d",`, connection, user, seq)
	b = fmt.Appendf(b, `"head":"1-%d","oldest":"1-0","resumed":false,"heartbeat_s":15,"max_age_s":3600}`, seq)
	return append(b, "\n\n"...)
}
