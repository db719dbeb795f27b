package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/storage"
)

// commits tells of every transaction that has been committed, so that a test can wait for what happens by itself
// without asking again and again.
type commits struct{ one chan struct{} }

func newCommits() commits { return commits{make(chan struct{}, 1)} }

// part is how the commits are heard of.
func (c commits) part() fx.Option {
	return fx.Decorate(func(db storage.DB) storage.DB { return heardDB{db, c} })
}

// until waits for a commit that makes ok true.
func (c commits) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := time.After(deadline)
	for !ok() {
		select {
		case <-c.one:
		case <-late:
			t.Fatalf("it never came true: %s", what)
		}
	}
}

type heardDB struct {
	storage.DB
	heard commits
}

func (d heardDB) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	err := d.DB.InTx(ctx, fn)
	select {
	case d.heard.one <- struct{}{}:
	default:
	}
	return err
}

// received is one request that a hook took.
type received struct {
	header http.Header
	body   []byte
}

// hook is a program on loopback that webhooks are sent to.
type hook struct {
	*httptest.Server
	got chan received
}

// newHook answers with answer, nil = 204 to everything.
func newHook(t testing.TB, answer http.HandlerFunc) *hook {
	h := &hook{got: make(chan received, 64)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.got <- received{r.Header.Clone(), body}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) next(t testing.TB) received {
	t.Helper()
	select {
	case r := <-h.got:
		return r
	case <-time.After(deadline):
		t.Fatal("the hook was not called")
	}
	return received{}
}

// hooked is a site whose webhooks may go to loopback.
func hooked(t testing.TB, set map[string]string, parts ...fx.Option) (*site, commits) {
	all := map[string]string{"channels.webhook.allow_http": "true", "channels.webhook.allow_private": "true",
		"delivery.jitter": "0"}
	for k, v := range set {
		all[k] = v
	}
	heard := newCommits()
	return startSite(t, all, append(append(app.Standard(), heard.part()), parts...)...), heard
}

// endpoint adds a webhook and gives its id and signing secret.
func (p *person) endpoint(url string, more ...any) (id, secret string) {
	p.site.t.Helper()
	body := map[string]any{"channel": "webhook", "settings": map[string]any{"url": url}}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	var made struct{ ID, Secret string }
	p.want(201, "POST", "/v1/me/endpoints", body, &made)
	return made.ID, made.Secret
}

// sent is a delivery as its owner sees it.
type sent struct {
	ID             string
	EventID        *string `json:"event_id"`
	EventType      string  `json:"event_type"`
	NotificationID *string `json:"notification_id"`
	State          string
	NextAttemptAt  *time.Time `json:"next_attempt_at"`
	FinishedAt     *time.Time `json:"finished_at"`
	Attempts       []struct {
		Number     int
		At         time.Time
		Outcome    string
		HTTPStatus *int `json:"http_status"`
		Detail     string
	}
}

func (p *person) deliveries(endpoint string) []sent {
	p.site.t.Helper()
	var list struct{ Items []sent }
	p.want(200, "GET", "/v1/me/endpoints/"+endpoint+"/deliveries", nil, &list)
	return list.Items
}

// TestWebhook: what people are told in the application reaches their own programs, signed, and they can see how it
// went.
func TestWebhook(t *testing.T) {
	s, heard := hooked(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	h := newHook(t, nil)
	id, secret := alice.endpoint(h.URL)
	verify := func(r received) (e struct {
		ID, Type string
		Data     struct {
			ID, Type string
			Text     string
		}
	}) {
		t.Helper()
		wh, err := webhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(r.body, r.header); err != nil {
			t.Errorf("the signature does not verify: %v", err)
		}
		if err := json.Unmarshal(r.body, &e); err != nil {
			t.Fatalf("%v in %s", err, r.body)
		}
		return e
	}

	post := alice.post("sign this")
	bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
	like := h.next(t)
	if e := verify(like); e.Type != "notification" || e.Data.Type != "like" || e.Data.Text == "" {
		t.Errorf("the like arrived as %s", like.body)
	}
	if got := like.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := like.header.Get("User-Agent"); !strings.HasPrefix(got, "Belfry/") || !strings.HasSuffix(got,
		" (+"+s.URL+")") {
		t.Errorf("User-Agent %q", got)
	}
	// Byte for byte what the stream says.
	var page struct{ Items []json.RawMessage }
	alice.want(200, "GET", "/v1/events?after=oldest&types=notification", nil, &page)
	if len(page.Items) != 1 || string(page.Items[0]) != string(like.body) {
		t.Errorf("the hook was sent\n%s\nthe stream has\n%s", like.body, page.Items)
	}

	var test sent
	alice.want(202, "POST", "/v1/me/endpoints/"+id+"/test", nil, &test)
	probe := h.next(t)
	if e := verify(probe); e.Type != "test" || probe.header.Get("webhook-id") != test.ID {
		t.Errorf("the test delivery %s arrived as %s %s", test.ID, probe.header.Get("webhook-id"), probe.body)
	}
	if test.EventType != "test" || test.EventID != nil {
		t.Errorf("the test delivery is shown as %+v", test)
	}

	var list []sent
	heard.until(t, "both deliveries succeed", func() bool {
		list = alice.deliveries(id)
		return len(list) == 2 && list[0].State == "succeeded" && list[1].State == "succeeded"
	})
	if list[0].ID != test.ID || list[1].ID != like.header.Get("webhook-id") || list[1].EventType != "notification" ||
		list[1].NotificationID == nil {
		t.Errorf("the deliveries are listed as %+v", list)
	}
	if a := list[1].Attempts; len(a) != 1 || a[0].Number != 1 || a[0].Outcome != "ok" {
		t.Errorf("the attempts are listed as %+v", a)
	}
	bob.want(404, "GET", "/v1/me/endpoints/"+id+"/deliveries", nil, nil)
}

// TestWebhookSchedule: each failure is followed by the wait that the configuration says, with the same id and a
// new signature, until the schedule is used up; then the delivery is dead and can be tried again by hand.
func TestWebhookSchedule(t *testing.T) {
	s, heard := hooked(t, map[string]string{"delivery.schedule": "30ms, 60ms"})
	alice, bob := s.register("alice"), s.register("bob")
	fail := make(chan int, 8)
	h := newHook(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-fail) })
	id, _ := alice.endpoint(h.URL)
	for range 3 {
		fail <- 500
	}
	bob.want(200, "PUT", "/v1/posts/"+alice.post("try thrice")+"/like", nil, nil)
	first := h.next(t)
	for i := range 2 {
		again := h.next(t)
		if again.header.Get("webhook-id") != first.header.Get("webhook-id") || string(again.body) != string(first.body) {
			t.Errorf("attempt %d is %s %s, the first was %s %s", i+2, again.header.Get("webhook-id"), again.body,
				first.header.Get("webhook-id"), first.body)
		}
	}
	var d sent
	heard.until(t, "the delivery is dead", func() bool {
		list := alice.deliveries(id)
		d = list[0]
		return len(list) == 1 && d.State == "dead"
	})
	if len(d.Attempts) != 3 || d.ID != first.header.Get("webhook-id") || d.FinishedAt == nil || d.NextAttemptAt != nil {
		t.Errorf("the dead delivery is %+v", d)
	}
	for i, a := range d.Attempts {
		if a.Number != i+1 || a.Outcome != "http_status" || a.HTTPStatus == nil || *a.HTTPStatus != 500 {
			t.Errorf("attempt %d is %+v", i+1, a)
		}
		if i > 0 {
			if wait, least := a.At.Sub(d.Attempts[i-1].At), time.Duration(30*i)*time.Millisecond; wait < least-time.Millisecond {
				t.Errorf("attempt %d came after %s, the schedule says %s", i+1, wait, least)
			}
		}
	}
	var shown struct{ State string }
	if alice.want(200, "GET", "/v1/me/endpoints/"+id, nil, &shown); shown.State != "failing" {
		t.Errorf("the endpoint is %s after three failures", shown.State)
	}
	fail <- 200
	alice.want(202, "POST", "/v1/me/endpoints/"+id+"/deliveries/"+d.ID+"/retry", nil, nil)
	if r := h.next(t); r.header.Get("webhook-id") != d.ID {
		t.Errorf("the retry by hand has the id %s", r.header.Get("webhook-id"))
	}
	heard.until(t, "the retry succeeds", func() bool { return alice.deliveries(id)[0].State == "succeeded" })
	if alice.want(200, "GET", "/v1/me/endpoints/"+id, nil, &shown); shown.State != "active" {
		t.Errorf("the endpoint is %s after a success", shown.State)
	}
	alice.want(409, "POST", "/v1/me/endpoints/"+id+"/deliveries/"+d.ID+"/retry", nil, nil)
}

// TestWebhookFollowedPost: a followed person's post arrives as post.created, as it does on the stream.
func TestWebhookFollowedPost(t *testing.T) {
	s, _ := hooked(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	h := newHook(t, nil)
	alice.endpoint(h.URL, "types", []string{"post"})
	bob.post("before") // nobody follows yet
	alice.follow(bob)
	post := bob.post("for my followers")
	var e struct {
		Type string
		Data map[string]any
	}
	if r := h.next(t); json.Unmarshal(r.body, &e) != nil || e.Type != "post.created" || e.Data["id"] != post {
		t.Errorf("the post %s arrived as %s", post, r.body)
	}
	if _, has := e.Data["viewer"]; has {
		t.Error("a post inside an event has a viewer")
	}
	// Only what the endpoint asked for: a like is not, so the next thing is the next post.
	bob.want(200, "PUT", "/v1/posts/"+alice.post("mine")+"/like", nil, nil)
	second := bob.post("second")
	if r := h.next(t); !strings.Contains(string(r.body), second) {
		t.Errorf("next came %s, want the post %s", r.body, second)
	}
}
