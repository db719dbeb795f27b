package e2e_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// A client that closes at the first error never comes back and never sends the id it has; a server that answers
// anything but a stream makes the browser do just that. That the page does come back is in TestClientTabs.
func TestW23ErrorsAreNotTheEnd(t *testing.T) {
	s := startSite(t, map[string]string{"channels.sse.max_age": "1s"})
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	c, ready := bob.stream("")
	bye := c.await("bye")
	if reason, retry := bye.bye(t); reason != "max_age" || retry < 200 || retry > 3000 {
		t.Errorf("told %s, retry %d", reason, retry)
	}
	c.ended(t)
	if bye.ID == "" || ready.ID == "" {
		t.Errorf("no position to come back with: %+v", bye)
	}
	want := alice.post("meanwhile")
	again, _ := bob.stream("", "Last-Event-ID: "+bye.ID)
	if _, ids := again.posts(t, 1); ids[0] != want {
		t.Errorf("came back to %s, want %s", ids[0], want)
	}
}

// One stream for each page of a list freezes a browser at six; ours is shared by all tabs, and the server ends the
// oldest before it refuses the newest.
func TestW24ManyPagesOfOnePerson(t *testing.T) {
	s := startSite(t, map[string]string{"server.max_streams_per_person": "3"})
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	var open []*stream
	for range 8 {
		c, ready := bob.stream("")
		if ready.Event != "ready" {
			t.Fatalf("page %d was given %+v", len(open)+1, ready)
		}
		open = append(open, c)
	}
	for i, c := range open[:5] {
		if reason, _ := c.await("bye").bye(t); reason != "too_many" {
			t.Errorf("page %d was told %s", i+1, reason)
		}
	}
	alice.post("to the newest")
	for _, c := range open[5:] {
		c.posts(t, 1)
	}
	if script := string(s.asset(t, "app.js")); !strings.Contains(script, "navigator.locks") ||
		!strings.Contains(script, "BroadcastChannel") {
		t.Error("the tabs of a browser do not share their stream")
	}
}

// A fixed address in the page breaks behind TLS, on another host and another port.
func TestW25NoFixedAddress(t *testing.T) {
	s := startSite(t, map[string]string{"server.public_url": "https://social.example"})
	var view struct {
		URL    string
		Events struct{ URL string }
	}
	s.anonymous().want(200, "GET", "/v1/instance", nil, &view)
	if view.URL != "https://social.example" || view.Events.URL != "/v1/events" {
		t.Errorf("the instance says %+v", view)
	}
	for _, name := range []string{"app.js", "belfry.js"} {
		for _, m := range regexp.MustCompile(`["'\x60](https?:)?//[^"'\x60]*`).FindAllString(string(s.asset(t, name)), -1) {
			if m != `"https://` && !strings.Contains(m, "www.w3.org") { // the beginning of an address that is asked for
				t.Errorf("%s has a fixed address: %s", name, m)
			}
		}
	}
}

func (s *site) asset(t *testing.T, name string) []byte {
	t.Helper()
	resp, body := s.anonymous().do("GET", "/assets/"+name, nil)
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %d", name, resp.StatusCode)
	}
	return body
}

// No hint when to come back, no word to proxies, no limit for one person.
func TestW31HintsAndLimits(t *testing.T) {
	s := startSite(t, map[string]string{"limits.enabled": "true"})
	alice := s.register("alice")
	retries := map[string]bool{}
	for opened := 0; ; opened++ {
		c, first := alice.stream("")
		if first.Event == "bye" {
			if reason, retry := first.bye(t); reason != "overload" || retry < 5000 || retry > 30_000 || opened < 60 {
				t.Errorf("stream %d is told %s, retry %d", opened+1, reason, retry)
			}
			c.ended(t)
			break
		}
		if n, err := strconv.Atoi(first.Retry); err != nil || n < 1000 || n > 15_000 {
			t.Errorf("retry %q", first.Retry)
		}
		retries[first.Retry] = true
		c.close()
		if opened == 1000 {
			t.Fatal("one person opens streams without end")
		}
	}
	if len(retries) < 30 {
		t.Errorf("everybody is told to come back at once: %v", retries)
	}
	resp, _ := alice.do("HEAD", "/v1/events", nil, "Accept: text/event-stream")
	for name, want := range map[string]string{"Content-Type": "text/event-stream",
		"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
		"Vary": "Accept, Authorization, Cookie, Origin", "X-Content-Type-Options": "nosniff"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What one process has in memory is gone with it.
func TestW32RestartKeepsIDs(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	c, _ := bob.stream("")
	alice.post("one")
	alice.post("two")
	positions, _ := c.posts(t, 2)
	s.restart()
	three := alice.post("three")
	again, ready := bob.stream("", "Last-Event-ID: "+positions[0])
	got, ids := again.posts(t, 2)
	if got[0] != positions[1] || ids[1] != three || !strings.Contains(ready.Data, `"resumed":true`) {
		t.Errorf("after the restart %v %v, want %s first and %s last: %s", got, ids, positions[1], three, ready.Data)
	}
}

// Kept for ever, events fill the memory; ours go after a time, and who asks for them is told so.
func TestW10OldEventsGo(t *testing.T) {
	var log storage.Log
	s := startSite(t, nil, append(app.Standard(), fx.Populate(&log))...)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	c, _ := bob.stream("")
	for i := range 30 {
		alice.post(fmt.Sprint("post ", i))
	}
	positions, _ := c.posts(t, 30)
	cut, err := social.ParseCursor(positions[19])
	if err != nil {
		t.Fatal(err)
	}
	if n, err := log.Trim(t.Context(), cut.Seq, 1000); err != nil || n < 20 {
		t.Fatalf("%d trimmed, %v", n, err)
	}
	kept, _ := bob.stream("?after=oldest")
	if got, _ := kept.posts(t, 10); !slices.Equal(got, positions[20:]) {
		t.Errorf("kept are %v, want %v", got, positions[20:])
	}
	late, _ := bob.stream("", "Last-Event-ID: "+positions[3])
	if gap := late.next(); gap.Event != "gap" || !strings.Contains(gap.Data, `"reason":"expired"`) {
		t.Errorf("who is too late is told %+v", gap)
	}
	s.restart() // and they do not come back
	kept, _ = bob.stream("?after=oldest")
	if got, _ := kept.posts(t, 10); !slices.Equal(got, positions[20:]) {
		t.Errorf("after a restart kept are %v, want %v", got, positions[20:])
	}
}
