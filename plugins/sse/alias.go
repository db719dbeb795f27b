package sse

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// preset is an alias route: the same stream under the names and in the form of a common tutorial. Only
// notification and post.created of people followed with the bell on are sent; ids, gap, bye and heartbeats are
// those of /v1/events.
type preset struct {
	name  string
	path  string
	first string // event of the first block, which stands for ready
	later string // event of every other block
	hello func(b []byte, user social.ID) []byte
	data  func(b []byte, f *frame) []byte // one line, never empty
}

// aliasKinds are the types an alias sends.
var aliasKinds = kindOf(social.EventNotification) | kindOf(social.EventPostCreated)

var presets = [...]preset{
	{name: "connect", path: "/connect", first: "sse", later: "sse",
		hello: func(b []byte, user social.ID) []byte {
			b = append(b, `{"message":"EventStream created","user_id":"`...)
			b = append(b, user.String()...)
			return append(b, `"}`...)
		},
		data: func(b []byte, f *frame) []byte { return append(b, f.payload()...) }},
	{name: "sub", path: "/sub", first: "connect", later: "notification",
		hello: func(b []byte, _ social.ID) []byte { return append(b, `{"message":"connected"}`...) },
		data:  appendSentence},
	{name: "alarm", path: "/api/v1/users/alarm/subscribe", first: "alarm", later: "alarm",
		hello: func(b []byte, _ social.ID) []byte { return append(b, "connect complete"...) },
		data:  func(b []byte, _ *frame) []byte { return append(b, "new alarm"...) }},
}

// presetOf gives the preset of a name; nil = there is none.
func presetOf(name string) *preset {
	for i := range presets {
		if presets[i].name == name {
			return &presets[i]
		}
	}
	return nil
}

func presetNames() []string {
	names := make([]string, len(presets))
	for i := range presets {
		names[i] = presets[i].name
	}
	return names
}

// block is a frame in the form of the preset; nil is /v1/events, whose block is the frame's own.
func (p *preset) block(f *frame) []byte {
	if p == nil {
		return f.block
	}
	b := make([]byte, 0, len(f.block))
	b = append(b, f.block[:bytes.IndexByte(f.block, '\n')+1]...) // the id line
	b = append(b, "event: "...)
	b = append(b, p.later...)
	b = append(b, "\ndata: "...)
	b = p.data(b, f)
	return append(b, "\n\n"...)
}

// appendHello appends the first block, with the position held.
func (p *preset) appendHello(b []byte, r readyData) []byte {
	b = appendID(b, r.cursor)
	b = append(b, "event: "...)
	b = append(b, p.first...)
	b = append(b, "\nretry: "...)
	b = appendMillis(b, r.retry)
	b = append(b, "\ndata: "...)
	b = p.hello(b, r.user)
	return append(b, "\n\n"...)
}

// appendSentence appends what a notification or a post says to people, on one line.
func appendSentence(b []byte, f *frame) []byte {
	var data struct {
		Text   string `json:"text"`
		Author *struct {
			DisplayName string `json:"display_name"`
		} `json:"author"`
	}
	_ = json.Unmarshal(f.payload(), &data) // what cannot be read leaves the text empty
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029', 0:
			return ' '
		}
		return r
	}, data.Text))
	switch {
	case text != "":
		return append(b, text...)
	case data.Author != nil && strings.TrimSpace(data.Author.DisplayName) != "":
		return append(append(b, strings.Join(strings.Fields(data.Author.DisplayName), " ")...), " posted"...)
	}
	return append(b, "Something new for you"...)
}
