package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proxied is Belfry with a proxy in front, set up as docs/operations.md says.
type proxied struct {
	t      *testing.T
	c      *child
	URL    string // of the proxy
	out    lockedBuffer
	client *http.Client // of one browser: HTTP/2
}

// recipe is a block of docs/operations.md, with the places of this test instead of those printed.
func recipe(t *testing.T, language string, places ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```\n").FindAllStringSubmatch(string(text), -1)
	if len(found) != 1 {
		t.Fatalf("docs/operations.md has %d blocks of %s", len(found), language)
	}
	for i := 0; i < len(places); i += 2 {
		if strings.Count(found[0][1], places[i]) != 1 {
			t.Fatalf("the recipe for %s has no %q", language, places[i])
		}
	}
	return strings.NewReplacer(places...).Replace(found[0][1])
}

func newProxied(t *testing.T) (p *proxied, listen string) {
	listen = freePort(t)
	_, port, _ := net.SplitHostPort(listen)
	p = &proxied{t: t, URL: "https://social.example:" + port}
	w := startWorld(t, nil, 0)
	w.stop()
	p.c = newChild(t, w.Data, "BELFRY_SERVER_PUBLIC_URL="+p.URL, "BELFRY_SERVER_TRUSTED_PROXIES=127.0.0.1",
		"BELFRY_CHANNELS_SSE_HEARTBEAT="+heartbeatOfTabs(), "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=20")
	return p, listen
}

// heartbeatOfTabs is short unless HEARTBEAT says what it is.
func heartbeatOfTabs() string {
	if text := os.Getenv("HEARTBEAT"); text != "" {
		return text
	}
	return "100ms"
}

// run starts the proxy's program and waits until it answers.
func (p *proxied) run(roots func() *x509.CertPool, listen string, env []string, name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), &p.out, &p.out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }) // its children too
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		to := func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, listen)
		}
		p.client = &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, DialContext: to,
			TLSClientConfig: &tls.Config{RootCAs: roots(), MinVersion: tls.VersionTLS12}}}
		resp, err := p.client.Get(p.URL + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 && resp.ProtoMajor == 2 {
				return
			}
		}
		if time.Since(began) > deadline {
			p.t.Fatalf("the proxy does not answer: %v, %v\n%s", resp, err, p.out.String())
		}
	}
}

// nginx sets up the recipe within a configuration as the package has it.
func nginx(t *testing.T) *proxied {
	program := need(t, "nginx", "/usr/sbin/nginx")
	p, listen := newProxied(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := writeKeys(cert, key); err != nil {
		t.Fatal(err)
	}
	site := recipe(t, "nginx", "listen 443", "listen "+listen, "127.0.0.1:8080", addressOf(p.c.URL),
		"/etc/ssl/social.example/fullchain.pem", cert, "/etc/ssl/social.example/privkey.pem", key)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // the folder is ours
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`%sdaemon off;
worker_processes 2;
pid %[2]s/pid;
error_log stderr;
events {}
http {
    access_log off;
    gzip on;
    client_body_temp_path %[2]s/body;
    proxy_temp_path %[2]s/proxy;
    fastcgi_temp_path %[2]s/fastcgi;
    uwsgi_temp_path %[2]s/uwsgi;
    scgi_temp_path %[2]s/scgi;
%[3]s}
`, user, dir, site)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.c.mustStart()
	p.run(func() *x509.CertPool { return poolOf(cert) }, listen, nil, program, "-p", dir, "-c", conf, "-e", "stderr")
	return p
}

// caddy sets up the recipe with an authority of its own instead of one in the world.
func caddy(t *testing.T) *proxied {
	program := need(t, "caddy")
	p, listen := newProxied(t)
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(listen)
	conf := filepath.Join(dir, "Caddyfile")
	text := fmt.Sprintf("{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n"+
		"\thttps_port %s\n\tdefault_bind 127.0.0.1\n}\n%s", port, recipe(t, "caddyfile", "127.0.0.1:8080",
		addressOf(p.c.URL)))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.c.mustStart()
	root := filepath.Join(dir, "caddy", "pki", "authorities", "local", "root.crt")
	p.run(func() *x509.CertPool { return poolOf(root) }, listen, []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		"HOME=" + dir}, program, "run", "--config", conf, "--adapter", "caddyfile")
	return p
}

// poolOf is empty while the file is not there.
func poolOf(file string) *x509.CertPool {
	pool := x509.NewCertPool()
	if text, err := os.ReadFile(file); err == nil {
		pool.AppendCertsFromPEM(text)
	}
	return pool
}

// ask is one request through the proxy, again until it reaches Belfry.
func (p *proxied) ask(method, path, token, kind, body string, header ...string) (status int, text string) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		req, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		req.Header.Set("Content-Type", kind)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := p.client.Do(req)
		if err == nil {
			out, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 502 {
				return resp.StatusCode, string(out)
			}
		}
		if time.Since(began) > deadline {
			p.t.Fatalf("%s %s: %v, %v\n%s", method, path, resp, err, p.out.String())
		}
	}
}

// token registers somebody through the proxy.
func (p *proxied) token(name string) string {
	p.t.Helper()
	const form = `{"username":%q,"password":%q}`
	if status, text := p.ask("POST", "/v1/auth/register", "", "application/json", fmt.Sprintf(form, name,
		password)); status != 201 {
		p.t.Fatalf("%d %s", status, text)
	}
	status, text := p.ask("POST", "/v1/auth/token", "", "application/json", fmt.Sprintf(
		`{"login":%q,"password":%q,"name":"tab","scopes":["read","events","write:posts","write:follows"]}`,
		name, password))
	var made struct{ Token string }
	decode(p.t, []byte(text), &made)
	if made.Token == "" {
		p.t.Fatalf("%d %s", status, text)
	}
	return made.Token
}

// tab reads a stream as the shipped page does: it comes back with its id whatever has happened.
type tab struct {
	p     *proxied
	token string

	mu     sync.Mutex
	got    []string // texts of posts
	last   string   // id
	opened int
	beats  int
	news   chan struct{} // has something after each change
}

func (b *tab) note(change func()) {
	b.mu.Lock()
	change()
	b.mu.Unlock()
	select {
	case b.news <- struct{}{}:
	default:
	}
}

func (b *tab) run(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := b.stream(ctx); errors.Is(err, errRefused) {
			b.p.t.Error(err)
			return
		}
		<-tick.C
	}
}

var (
	errRefused = errors.New("refused")
	numbered   = regexp.MustCompile(`number \d+ `)
)

func (b *tab) stream(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, "GET", b.p.URL+"/v1/events?types=post", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+b.token)
	if b.last != "" {
		req.Header.Set("Last-Event-ID", b.last)
	}
	resp, err := b.p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == 502 || resp.StatusCode == 504:
		return errors.New("not now")
	case resp.StatusCode != 200 || resp.ProtoMajor != 2:
		return fmt.Errorf("%w: %s, %s", errRefused, resp.Status, resp.Proto)
	}
	r := bufio.NewReader(resp.Body)
	for id := ""; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == ": hb\n":
			b.note(func() { b.beats++ })
		case line == "\n" && id != "":
			b.last = id
		case name == "id":
			id = value
		case line == "event: ready\n":
			b.note(func() { b.opened++ })
		case line == "event: gap\n":
			return fmt.Errorf("%w: a gap", errRefused)
		case name == "data" && numbered.MatchString(value):
			b.note(func() { b.got = append(b.got, numbered.FindString(value)) })
		}
	}
}

// until waits until something holds of a tab.
func (b *tab) until(what string, holds func() bool) {
	b.p.t.Helper()
	late := time.After(deadline + 20*time.Minute*time.Duration(min(1, len(os.Getenv("HEARTBEAT")))))
	for {
		b.mu.Lock()
		done := holds()
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-b.news:
		case <-late:
			b.p.t.Fatalf("%s did not come: %d posts, opened %d times, %d heartbeats", what, len(b.got), b.opened, b.beats)
		}
	}
}

// TestProxies: with the recipes of docs/operations.md ten tabs of a browser, over one HTTP/2 connection, hear each
// event once and in order, over many heartbeats and while Belfry ends and is killed behind the proxy; pictures pass;
// and what is closed is closed behind the proxy as well. HEARTBEAT=15s BEATS=8 is the full form.
func TestProxies(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *proxied{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for heartbeats
			start(t).tabs(number(t, "BEATS", 20))
		})
	}
}

func (p *proxied) tabs(beats int) {
	author, reader := p.token("author"), p.token("reader")
	_, text := p.ask("GET", "/v1/users/by-name/author", reader, "", "")
	var who struct{ ID string }
	decode(p.t, []byte(text), &who)
	if status, text := p.ask("PUT", "/v1/users/"+who.ID+"/follow", reader, "application/json", "{}"); status != 200 {
		p.t.Fatalf("%d %s", status, text)
	}
	var all []*tab
	var reading sync.WaitGroup
	ctx, stop := context.WithCancel(p.t.Context())
	defer reading.Wait()
	defer stop()
	for range 10 {
		b := &tab{p: p, token: reader, news: make(chan struct{}, 1)}
		all = append(all, b)
		reading.Go(func() { b.run(ctx) })
	}
	each := func(what string, holds func(b *tab) bool) {
		p.t.Helper()
		for _, b := range all {
			b.until(what, func() bool { return holds(b) })
		}
	}
	posted := 0
	post := func(n int) {
		p.t.Helper()
		for range n {
			posted++
			body := fmt.Sprintf(`{"text":"number %d "}`, posted)
			if status, text := p.ask("POST", "/v1/posts", author, "application/json", body, "Idempotency-Key",
				fmt.Sprint("post-", posted)); status != 201 {
				p.t.Fatalf("%d %s", status, text)
			}
		}
	}
	heard := func() {
		p.t.Helper()
		each("a post", func(b *tab) bool { return len(b.got) >= posted })
	}

	each("ready", func(b *tab) bool { return b.opened == 1 })
	post(5)
	heard()
	each("a heartbeat", func(b *tab) bool { return b.beats >= beats })
	post(5)
	heard()
	each("the first connection", func(b *tab) bool { return b.opened == 1 }) // nothing was cut meanwhile
	for _, end := range []func(){p.c.term, p.c.kill, p.c.term} {
		end()
		<-p.c.done
		p.c.mustStart()
		post(5)
		heard()
	}
	kind, form := pictureForm(p.t, wavesOf(p.t, 3000))
	if status, text := p.ask("POST", "/v1/media", author, kind, string(form)); status != 201 && status != 202 ||
		len(form) <= 1<<20 { // more than nginx takes by itself
		p.t.Errorf("a picture of %d bytes: %d %s", len(form), status, text)
	}
	for i, b := range all {
		for n := range posted {
			if want := fmt.Sprintf("number %d ", n+1); n >= len(b.got) || b.got[n] != want {
				p.t.Fatalf("tab %d heard %v", i, b.got)
			}
		}
		if len(b.got) != posted || b.opened < 4 {
			p.t.Errorf("tab %d heard %d of %d posts, over %d connections", i, len(b.got), posted, b.opened)
		}
	}
	stop()
	reading.Wait()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		text := newCaller(p.c.Admin, "").must(p.t, 200, "GET", "/metrics", nil)
		m := openStreams.FindSubmatch(text)
		if m != nil && string(m[1]) == "0" {
			return
		}
		if time.Since(began) > deadline {
			p.t.Fatalf("streams that nobody reads are open: %s", m)
		}
	}
}
