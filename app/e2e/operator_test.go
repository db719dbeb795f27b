package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// I23: who is suspended on the command line hears goodbye at once, on every road, and comes in again nowhere; so does
// who was there with a token.
func TestSuspensionEndsStreams(t *testing.T) {
	s := startSite(t, nil)
	mal, bob := s.register("mal"), s.register("bob")
	mal.follow(bob)
	var made struct{ Token string }
	mal.want(201, "POST", "/v1/tokens", map[string]any{"name": "reader", "scopes": []string{"read", "events"}}, &made)
	token := s.anonymous()
	live, _ := mal.stream("?after=oldest")
	live.await("follow.changed") // it would end the long poll
	byToken, _ := token.stream("", "Authorization: Bearer "+made.Token)
	waited := make(chan *http.Response, 1)
	go func() {
		resp, _ := mal.do("GET", "/v1/events?wait=60", nil)
		waited <- resp
	}()

	mustBelfry(t, "user", "suspend", "mal", "--reason", "sells watches", "--data", s.Data)
	for _, l := range []*stream{live, byToken} {
		if b := l.await("bye"); !strings.Contains(b.Data, `"revoked"`) {
			t.Errorf("the stream ended with %s", b.Data)
		}
	}
	if resp := <-waited; resp.StatusCode != 401 && resp.StatusCode != 403 { // as it was before it began or after
		t.Errorf("the long poll was answered %d", resp.StatusCode)
	}
	for path, accept := range map[string]string{"/v1/events": "text/event-stream",
		"/v1/events?after=oldest": "application/json", "/v1/timelines/home": "application/json"} {
		mal.refused(t, 403, "account_suspended", "GET", path, nil, "Accept: "+accept)
		token.refused(t, 403, "account_suspended", "GET", path, nil, "Accept: "+accept, "Authorization: Bearer "+made.Token)
	}
	mal.refused(t, 403, "account_suspended", "POST", "/v1/stream-tickets", nil)
	mal.want(200, "GET", "/v1/me", nil, nil)
	mustBelfry(t, "user", "restore", "mal", "--data", s.Data)
	barrier, _ := s.register("carl").stream("")
	mustBelfry(t, "user", "suspend", "carl", "--data", s.Data)
	barrier.await("bye") // what stands before it in the log has been heard
	back, _ := mal.stream("")
	post := bob.post("welcome back")
	if b := back.await("post.created"); !strings.Contains(b.Data, post) {
		t.Errorf("after the suspension mal hears %s", b.Data)
	}
}
