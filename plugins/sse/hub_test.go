package sse

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/audience"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// TestMarkedAreThoseWhoRead: a post puts those into the line whom it is for, and nobody else.
func TestMarkedAreThoseWhoRead(t *testing.T) {
	for name, tt := range map[string]struct {
		mode social.PostsMode
		want int
	}{"all": {social.PostsAll, 11}, "with the bell": {social.PostsNotify, 5}, "none": {social.PostsNone, 0}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			h := newHub(defaults, envOf(w), func() float64 { return 0 })
			for n := range 10 {
				w.follow(n+10, 1, n%2 == 0)
			}
			h.begin(w.head)
			for n := range 20 { // ten of them follow nobody; one is the author
				who := n + 10
				if n == 19 {
					who = 1
				}
				c := &connection{hub: h, want: frames.All, mode: audience.ModeOf(tt.mode), sock: &drain{newSink()},
					delivered: w.head, release: func() {}}
				h.admit(c, id(who))
				a, _ := w.Audience(t.Context(), id(who))
				(&question{person: c.person, whole: true, audience: a}).applied(h, nil)
			}
			h.askNext = queue[*person]{}
			for _, author := range []int{99, 1} { // with the first event the tail begins: everybody looks once
				for h.line.len() > 0 {
					h.step()
				}
				w.post(author)
				e := w.events[len(w.events)-1]
				h.dispatched([]social.Event{e}, []frames.Frame{frames.Of(e)})
			}
			if h.line.len() != tt.want {
				t.Errorf("%d connections are to be served, want %d", h.line.len(), tt.want)
			}
		})
	}
}

// TestHeadRefusesForgery: a header value with a line break is left out.
func TestHeadRefusesForgery(t *testing.T) {
	head := string(appendHead(nil, time.Unix(0, 0), "ok", []header{{"A", "b\r\nSet-Cookie: x"}, {"C", "d"}}))
	if strings.Contains(head, "Set-Cookie") || !strings.Contains(head, "\r\nC: d\r\n\r\n") ||
		!strings.Contains(head, "\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n") {
		t.Errorf("%q", head)
	}
}

// TestByeRetry: when to come back, by the reason.
func TestByeRetry(t *testing.T) {
	for reason, want := range map[plugins.ByeReason][2]time.Duration{
		plugins.ByeRestart: {time.Second, 15 * time.Second}, plugins.ByeMaxAge: {200 * time.Millisecond, 3 * time.Second},
		plugins.ByeTooMany: {time.Minute, 2 * time.Minute}, plugins.ByeOverload: {5 * time.Second, 30 * time.Second},
		plugins.ByeRevoked: {},
	} {
		if low, high := byeRetry(reason, 0), byeRetry(reason, 1); low != want[0] || high != want[1] {
			t.Errorf("%s: from %v to %v, want %v", reason, low, high, want)
		}
	}
}
