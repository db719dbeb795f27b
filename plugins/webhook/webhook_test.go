package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/channeltest"
	"github.com/belfry-social/belfry/plugins/webhook"
)

const secret = "whsec_FkzaUJejnm+WsiNEhs32dkdW44empaWQ"

func TestContract(t *testing.T) {
	channeltest.Run(t, webhook.Factory, nil)
	channeltest.Run(t, webhook.Factory, []byte("allow_http: true\nallow_private: true\n"))
}

// sender makes a channel that may talk to loopback, at the moment of the published test vector.
func sender(t *testing.T, section string) plugins.Sender {
	t.Helper()
	at := time.Unix(1777889472, 0)
	c, err := webhook.Factory.Build([]byte(section), plugins.Env{Name: "webhook", Version: "0.1.0",
		PublicURL: "https://social.example", Log: zap.NewNop(),
		Clock: func() time.Time { return at }, Dial: plugins.NewGuard(8).Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c.(plugins.Sender)
}

const open = "allow_http: true\nallow_private: true\ntimeout: 30s\n"

func delivery(t *testing.T, url string) plugins.Delivery {
	t.Helper()
	id, err := social.ParseID("0198f3a3-1111-7d00-8000-000000000002")
	if err != nil {
		t.Fatal(err)
	}
	settings, _ := json.Marshal(map[string]string{"url": url})
	return plugins.Delivery{ID: id, Attempt: 1, Settings: settings, Secrets: []string{secret},
		Event: json.RawMessage(`{"id":null,"type":"test","time":"2026-05-04T10:11:12.345Z","data":{"message":"test"}}`)}
}

// TestVector holds the request against the published one, header by header.
func TestVector(t *testing.T) {
	type request struct {
		method, path, body string
		header             http.Header
	}
	got := make(chan request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.URL.Path, string(body), r.Header}
	}))
	defer srv.Close()
	d := delivery(t, srv.URL+"/hook")
	if err := sender(t, open).Send(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	r := <-got
	for name, want := range map[string]string{
		"User-Agent": "Belfry/0.1.0 (+https://social.example)", "Content-Type": "application/json",
		"Webhook-Id": "0198f3a3-1111-7d00-8000-000000000002", "Webhook-Timestamp": "1777889472",
		"Webhook-Signature": "v1,ElXdBmKR1WEvkdYnFn7Uv5jGGcyuFHQSQRnAW+2H0qE=",
	} {
		if r.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, r.header.Get(name), want)
		}
	}
	if r.method != "POST" || r.path != "/hook" || r.body != string(d.Event) {
		t.Errorf("%s %s %q", r.method, r.path, r.body)
	}
}

// TestRotationSignsTwice: during a rotation a receiver with either secret is satisfied.
func TestRotationSignsTwice(t *testing.T) {
	const second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	header := make(chan http.Header, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header <- r.Header }))
	defer srv.Close()
	d := delivery(t, srv.URL)
	d.Secrets = []string{second, secret}
	if err := sender(t, open).Send(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	h := <-header
	for _, s := range d.Secrets {
		w, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.VerifyIgnoringTimestamp(d.Event, h); err != nil {
			t.Errorf("a receiver with one of the secrets refuses: %v", err)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string // Retry-After
		want   channeltest.Verdict
		wait   time.Duration
	}{
		{200, "", channeltest.Taken, 0},
		{204, "", channeltest.Taken, 0},
		{301, "", channeltest.Again, 0}, // a failure: redirects are not followed
		{400, "", channeltest.Again, 0},
		{404, "", channeltest.Again, 0},
		{410, "", channeltest.EndpGone, 0},
		{429, "30", channeltest.Later, 30 * time.Second},
		{429, "", channeltest.Again, 0},
		{429, "soon", channeltest.Again, 0},
		{429, "-5", channeltest.Again, 0},
		{503, "999999999999", channeltest.Later, 24 * time.Hour},
		{503, time.Unix(1777889472+90, 0).UTC().Format(http.TimeFormat), channeltest.Later, 90 * time.Second},
		{500, "30", channeltest.Again, 0},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.header), func(t *testing.T) {
			hits := make(chan string, 8)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hits <- r.URL.Path
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
			}))
			defer srv.Close()
			err := sender(t, open).Send(context.Background(), delivery(t, srv.URL+"/hook?token=hidden"))
			if verdict, wait := channeltest.Judge(err); verdict != tt.want || wait != tt.wait {
				t.Errorf("got %s after %s, want %s after %s", verdict, wait, tt.want, tt.wait)
			}
			if len(hits) != 1 {
				t.Errorf("%d requests for one attempt", len(hits))
			}
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("the error names the address: %v", err)
			}
			var o plugins.Outcome
			if err != nil && (!errors.As(err, &o) || first(o.Outcome()) != "http_status") {
				t.Errorf("outcome of %v", err)
			}
		})
	}
}

func first(outcome string, _ int, _ string) string { return outcome }

// TestHostileAnswers: the status decides, little is read, and the attempt ends in time (H46).
func TestHostileAnswers(t *testing.T) {
	endless := func(chunk []byte, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				if pause > 0 {
					select {
					case <-r.Context().Done():
					case <-time.After(pause):
					}
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string // outcome; "" = delivered
	}{
		"200 and bytes for ever":  {endless(make([]byte, 32<<10), 0), ""},
		"200 and a byte a moment": {endless([]byte("x"), 10*time.Millisecond), ""},
		"200 said to be gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(make([]byte, 10<<20))
		}, ""},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard,
				r.Body)
			<-r.Context().Done()
		}, "timeout"},
		"header without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("y",
				1<<20))
		}, "connect"},
		"connection cut": {func(w http.ResponseWriter, _ *http.Request) {
			c, _,
				_ := w.(http.Hijacker).Hijack()
			c.Close()
		}, "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tt.handler)
			defer srv.Close()
			section := open
			if tt.want == "timeout" || name == "200 and a byte a moment" {
				section = strings.Replace(open, "30s", "300ms", 1)
			}
			err := sender(t, section).Send(context.Background(), delivery(t, srv.URL))
			var o plugins.Outcome
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want delivered", err)
			case tt.want != "" && (!errors.As(err, &o) || first(o.Outcome()) != tt.want):
				t.Errorf("got %v, want outcome %s", err, tt.want)
			}
		})
	}
}

func TestTLSOutcome(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	srv.Config.ErrorLog = nil
	err := sender(t, open).Send(context.Background(), delivery(t, srv.URL))
	var o plugins.Outcome
	if !errors.As(err, &o) || first(o.Outcome()) != "tls" {
		t.Errorf("untrusted certificate: %v", err)
	}
}

// TestSSRF: what is plainly private is refused when the endpoint is made (H43); everything else is refused at
// dial, and nothing ever connects (H44, H45).
func TestSSRF(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 512)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connected <- struct{}{}
			c.Close()
		}
	}()
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s := sender(t, "timeout: 20ms\n")

	var hosts []string
	for _, h := range []string{"127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "2130706433",
		"017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
		"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.255", "169.254.169.254",
		"169.254.0.1", "100.64.0.1", "100.127.255.254",
		"192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[fc00::1]",
		"[fd00::1]", "[fe80::1]", "[fe80::1%25lo]", "[ff02::1]",
		"[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2001::1]", "[2001:db8::1]",
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1.", "printer.local", "metadata.google.internal"} {
		hosts = append(hosts, h, h+":443", h+":"+port, h+":8443")
	}
	refused := 0
	for _, h := range hosts {
		raw, _ := json.Marshal(map[string]string{"url": "https://" + h + "/x"})
		if _, err := s.CheckEndpoint(raw); err == nil {
			t.Errorf("endpoint %s was accepted", h)
		} else {
			refused++
		}
		// Even if such a row were in the store: no connect.
		if err := s.Send(context.Background(), delivery(t, "https://"+h+"/x")); err == nil {
			t.Errorf("sent to %s", h)
		}
	}
	if refused < 200 {
		t.Errorf("only %d hostile targets were tried", refused)
	}
	for _, url := range []string{"http://bot.example/", "https://u:p@bot.example/", "https://bot.example:22/",
		"https://bot.example:25/", "https://bot.example:6379/", "https://bot.example/#x",
		"ftp://bot.example/", "//bot.example/", "/hook", "https:///x", "https://bot.example:0/",
		"https://bot.example:99999/", "https://bot.example/a b", "https://bot.example\\@127.0.0.1/",
		"https://bot.example/" + strings.Repeat("x", 2048), "javascript:alert(1)", "https://bot.example:80a/", ""} {
		raw, _ := json.Marshal(map[string]string{"url": url})
		if _, err := s.CheckEndpoint(raw); err == nil {
			t.Errorf("endpoint %.60s was accepted", url)
		}
	}
	for _, url := range []string{"https://bot.example/hook", "https://bot.example:8443/hook?x=1", "https://1.1.1.1/",
		"https://[2606:4700::1111]:443/"} {
		raw, _ := json.Marshal(map[string]string{"url": url})
		if got, err := s.CheckEndpoint(raw); err != nil || string(got) != `{"url":"`+url+`"}` {
			t.Errorf("endpoint %s: %s, %v", url, got, err)
		}
	}
	if len(connected) != 0 {
		t.Errorf("%d connects reached loopback", len(connected))
	}
}

func TestConfig(t *testing.T) {
	for section, bad := range map[string]bool{"timeout: 0s": true, "timeout: 2m": true, "timeout: -1s": true,
		"no_such: 1": true, "timeout: 5s": false} {
		_, err := webhook.Factory.Build([]byte(section), plugins.Env{Dial: plugins.NewGuard(8).Dial})
		if (err != nil) != bad {
			t.Errorf("%s: %v", section, err)
		}
	}
}
