package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/answertest"
	"github.com/belfry-social/belfry/app/config"
)

// deadline bounds every wait of the tests for something that has to happen. It is generous: it finds what never
// comes, and says nothing of speed.
const deadline = 20 * time.Second

// site is the whole program, running in this process on loopback.
type site struct {
	t       testing.TB
	URL     string
	Admin   string
	Data    string
	Logs    *observer.ObservedLogs
	program *fx.App
	set     map[string]string
	parts   []fx.Option
	answers answertest.Watch // every answer is held against the document
}

// startSite runs the standard program on an empty directory, with rate limits off and the configuration keys given
// on top ("channels.sse.heartbeat": "50ms"). It is stopped when the test ends.
func startSite(t testing.TB, set map[string]string, parts ...fx.Option) *site {
	t.Helper()
	s := &site{t: t, Data: t.TempDir() + "/data", set: map[string]string{"limits.enabled": "false"}, parts: parts}
	maps.Copy(s.set, set)
	if s.parts == nil {
		s.parts = app.Standard()
	}
	s.answers.Fault = func(text string) { t.Error("against the document: " + text) }
	s.parts = append(slices.Clip(s.parts), s.answers.Part())
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) start() {
	s.t.Helper()
	set := maps.Clone(s.set)
	set["storage.data"] = s.Data
	if _, given := set["server.listen"]; !given {
		set["server.listen"] = freePort(s.t)
	}
	set["admin.listen"] = freePort(s.t)
	s.URL, s.Admin = scheme()+set["server.listen"], "http://"+set["admin.listen"]
	if overTLS {
		set["server.tls.cert"], set["server.tls.key"] = keyFiles.cert, keyFiles.key
	}
	core, logs := observer.New(zap.DebugLevel)
	s.Logs = logs
	s.program = app.New(app.Options{Source: config.Source{Flags: set, ReadFile: noFile}, Clock: time.Now,
		Log: zap.New(core), Err: io.Discard}, s.parts...)
	if err := s.program.Err(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := s.program.Start(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the program in order; it is safe twice.
func (s *site) stop() {
	if s.program == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := s.program.Stop(ctx); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	s.program = nil
}

// restart ends and starts the program on the same data and address.
func (s *site) restart() {
	s.t.Helper()
	s.set["server.listen"] = addressOf(s.URL)
	s.stop()
	s.start()
}

func noFile(string) ([]byte, error) { return nil, os.ErrNotExist }

// freePort is an address on loopback that nobody listens on now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// person is somebody signed in with a session cookie.
type person struct {
	site *site
	http *http.Client
	ID   string
	Name string
}

const password = "correct horse battery"

// register makes an account and signs it in.
func (s *site) register(name string) *person {
	s.t.Helper()
	p := s.anonymous()
	var answer struct {
		User struct{ ID, Username string }
	}
	p.want(201, "POST", "/v1/auth/register", map[string]any{"username": name, "password": password}, &answer)
	p.ID, p.Name = answer.User.ID, answer.User.Username
	return p
}

// login signs an existing account in, in a browser of its own.
func (s *site) login(name string) *person {
	s.t.Helper()
	p := s.anonymous()
	var answer struct {
		User struct{ ID, Username string }
	}
	p.want(200, "POST", "/v1/auth/login", map[string]any{"login": name, "password": password}, &answer)
	p.ID, p.Name = answer.User.ID, answer.User.Username
	return p
}

func (s *site) anonymous() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{site: s, http: &http.Client{Jar: jar, Transport: &http.Transport{}, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// do asks once. body is sent as JSON unless it is nil or a []byte; header lines are "Name: value".
func (p *person) do(method, path string, body any, header ...string) (*http.Response, []byte) {
	p.site.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			p.site.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, p.site.URL+path, r)
	if err != nil {
		p.site.t.Fatal(err)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		p.site.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		p.site.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, out
}

// want is do with a status that must come; answer, if not nil, takes the body.
func (p *person) want(status int, method, path string, body, answer any, header ...string) *http.Response {
	p.site.t.Helper()
	resp, out := p.do(method, path, body, header...)
	if resp.StatusCode != status {
		p.site.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, out)
	}
	if answer != nil {
		if err := json.Unmarshal(out, answer); err != nil {
			p.site.t.Fatalf("%s %s: %v in %s", method, path, err, out)
		}
	}
	return resp
}

// post publishes and returns the id.
func (p *person) post(text string, more ...string) string {
	p.site.t.Helper()
	body := map[string]any{"text": text}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	var out struct{ ID string }
	p.want(201, "POST", "/v1/posts", body, &out)
	return out.ID
}

func (p *person) follow(other *person) {
	p.site.t.Helper()
	p.want(200, "PUT", "/v1/users/"+other.ID+"/follow", nil, nil)
}

// block is one block of an event stream, as a strict parser reads it.
type block struct {
	ID, Event, Data string
	Retry           string
}

// event decodes the data of a block that carries an event.
func (b block) event(t testing.TB) (e struct {
	ID, Type string
	Data     json.RawMessage
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.Data), &e); err != nil {
		t.Fatalf("data of block %+v: %v", b, err)
	}
	return e
}

// stream is an open event stream. Blocks arrives block by block and is closed at the end.
type stream struct {
	t      testing.TB
	check  func(event, data string) // of each block; nil = none
	Blocks chan block
	cancel context.CancelFunc
	once   sync.Once
	err    error // why it ended, after Blocks is closed; io.EOF for an end between blocks
}

// stream opens GET /v1/events with the query and headers given and reads the ready block.
func (p *person) stream(query string, header ...string) (*stream, block) {
	p.site.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", p.site.URL+"/v1/events"+query, nil)
	if err != nil {
		p.site.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		cancel()
		p.site.t.Fatalf("stream: %v", err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		out, _ := io.ReadAll(resp.Body)
		cancel()
		p.site.t.Fatalf("stream: status %d, type %q: %s", resp.StatusCode, resp.Header.Get("Content-Type"), out)
	}
	s := &stream{t: p.site.t, check: p.site.answers.Block, Blocks: make(chan block, 1024), cancel: cancel}
	go s.read(resp.Body)
	p.site.t.Cleanup(s.close)
	return s, s.next()
}

func (s *stream) close() { s.once.Do(s.cancel) }

// next waits for a block.
func (s *stream) next() block {
	s.t.Helper()
	select {
	case b, ok := <-s.Blocks:
		if !ok {
			s.t.Fatalf("the stream ended: %v", s.err)
		}
		return b
	case <-time.After(deadline):
		s.t.Fatal("no block came")
	}
	return block{}
}

// await skips blocks until one has the event name.
func (s *stream) await(event string) block {
	s.t.Helper()
	for {
		if b := s.next(); b.Event == event {
			return b
		}
	}
}

// read is strict: every line is a field with one space, a comment, or empty; fields come in order; every block has
// event and data.
func (s *stream) read(body io.ReadCloser) {
	defer close(s.Blocks)
	defer body.Close()
	r := bufio.NewReaderSize(body, 256<<10)
	order := map[string]int{"id": 1, "event": 2, "retry": 3, "data": 4}
	var b block
	last := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			s.err = err
			if line != "" || last != 0 {
				s.err = fmt.Errorf("ended inside a block %+v %q: %w", b, line, err)
			}
			return
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if b.Event == "" || b.Data == "" {
				s.err = fmt.Errorf("block without event or data: %+v", b)
				return
			}
			if s.check != nil {
				s.check(b.Event, b.Data)
			}
			s.Blocks <- b
			b, last = block{}, 0
			continue
		}
		if strings.HasPrefix(line, ":") {
			if line != ": hb" || last != 0 {
				s.err = fmt.Errorf("comment %q inside a block or of another form", line)
				return
			}
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || order[name] <= last || strings.ContainsAny(value, "\r") {
			s.err = fmt.Errorf("line %q after field %d", line, last)
			return
		}
		last = order[name]
		switch name {
		case "id":
			b.ID = value
		case "event":
			b.Event = value
		case "retry":
			b.Retry = value
		case "data":
			b.Data = value
		}
	}
}
