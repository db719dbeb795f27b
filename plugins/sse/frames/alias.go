package frames

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// Preset is an alias route: the same stream under the names and in the form of a common tutorial. Only
// notification and post.created of people followed with the bell on are sent; ids, gap, bye and heartbeats are
// those of /v1/events.
type Preset struct {
	Name  string
	Path  string
	first string // event of the first block, which stands for ready
	later string // event of every other block
	hello func(b []byte, user social.ID) []byte
	data  func(b []byte, f *Frame) []byte // one line, never empty
}

// AliasKinds are the types an alias sends.
var AliasKinds = KindOf(social.EventNotification) | KindOf(social.EventPostCreated)

var presets = [...]Preset{
	{Name: "connect", Path: "/connect", first: "sse", later: "sse",
		hello: func(b []byte, user social.ID) []byte {
			return fmt.Appendf(b, `{"message":"EventStream created","user_id":"%s"}`, user)
		},
		data: func(b []byte, f *Frame) []byte { return append(b, f.payload()...) }},
	{Name: "sub", Path: "/sub", first: "connect", later: "notification",
		hello: func(b []byte, _ social.ID) []byte { return append(b, `{"message":"connected"}`...) },
		data:  appendSentence},
	{Name: "alarm", Path: "/api/v1/users/alarm/subscribe", first: "alarm", later: "alarm",
		hello: func(b []byte, _ social.ID) []byte { return append(b, "connect complete"...) },
		data:  func(b []byte, _ *Frame) []byte { return append(b, "new alarm"...) }},
}

// PresetOf gives the preset of a name; nil = there is none.
func PresetOf(name string) *Preset {
	for i := range presets {
		if presets[i].Name == name {
			return &presets[i]
		}
	}
	return nil
}

func PresetNames() []string {
	names := make([]string, len(presets))
	for i := range presets {
		names[i] = presets[i].Name
	}
	return names
}

// block is a frame in the form of the preset; nil is /v1/events, whose block is the frame's own.
func (p *Preset) block(f *Frame) []byte {
	if p == nil {
		return f.block
	}
	b := make([]byte, 0, len(f.block))
	b = append(b, f.block[:bytes.IndexByte(f.block, '\n')+1]...) // the id line
	b = fmt.Appendf(b, "event: %s\ndata: ", p.later)
	return append(p.data(b, f), "\n\n"...)
}

// AppendHello appends the first block, with the position held.
func (p *Preset) AppendHello(b []byte, r Ready) []byte {
	b = fmt.Appendf(appendHeld(b, r.Cursor), "event: %s\nretry: %d\ndata: ", p.first, r.Retry.Milliseconds())
	return append(p.hello(b, r.User), "\n\n"...)
}

// appendSentence appends what a notification or a post says to people, on one line.
func appendSentence(b []byte, f *Frame) []byte {
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
	case data.Author != nil && social.Visible(data.Author.DisplayName):
		name := strings.Join(strings.Fields(data.Author.DisplayName), " ")
		return append(append(b, social.Isolate(name)...), " posted"...)
	}
	return append(b, "Something new for you"...)
}
