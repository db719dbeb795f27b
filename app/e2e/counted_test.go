package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestPageCountsOnce: a post of a followed person that names the reader comes as two events, the post and the mention.
// The page rings once for it and counts it once.
func TestPageCountsOnce(t *testing.T) {
	t.Parallel() // with the other tests of the browser
	chromium := chromium(t)
	npmInstall(t)
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice) // with the bell on
	stream, _ := bob.stream("?posts=all")

	lines, wait := startNode(t, "counted.mjs", s.URL, "bob", password, chromium)
	line, err := lines.ReadString('\n')
	if line == "live\n" {
		named := alice.post("Good morning, @bob")
		if b := stream.await("post.created"); !strings.Contains(b.Data, named) {
			t.Errorf("the first event is %s", b.Data)
		}
		if b := stream.await("notification"); !strings.Contains(b.Data, named) {
			t.Errorf("the second event is %s", b.Data)
		}
		alice.post("this is the last")
		line, err = lines.ReadString('\n')
	}
	if text := wait(); text != "" {
		t.Fatalf("the browser: %q, %v, %s", line, err, text)
	}
	var heard struct{ Toasts, Unread []string }
	if err := json.Unmarshal([]byte(line), &heard); err != nil {
		t.Fatal(err)
	}
	if len(heard.Toasts) != 2 || !strings.Contains(heard.Toasts[1], "the last") {
		t.Errorf("two posts rang as %q", heard.Toasts)
	}
	told := []string{"Notifications", "Notifications, 1 unread", "Notifications, 2 unread"}
	for _, label := range heard.Unread {
		if !slices.Contains(told, label) {
			t.Errorf("two posts were counted as %q", heard.Unread)
		}
	}
	var counts struct{ Unread int }
	bob.want(200, "GET", "/v1/notifications/counts", nil, &counts)
	if counts.Unread != 2 {
		t.Errorf("two posts are %d unread", counts.Unread)
	}
}
