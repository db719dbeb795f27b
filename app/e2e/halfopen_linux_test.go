package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHalfOpen (P8): peers that vanish without a word, behind a cable that is pulled, are freed within their time;
// the others hear nothing of it, and those that come back have everything. It makes network namespaces of its own,
// so it needs root; `make halfopen N=1000` is the full form, with the times of the shipped configuration.
func TestHalfOpen(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIP: network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIP: ip is not installed")
	}
	n, within := number(t, "N", 0), 45*time.Second
	var env []string
	if n == 0 {
		n, within = 10, deadline
		env = []string{"BELFRY_CHANNELS_SSE_HEARTBEAT=200ms", "BELFRY_CHANNELS_SSE_PEER_TIMEOUT=3s"}
	}
	lab := newLab(t)
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100000"}, 2)
	author, reader := w.People[0], w.People[1]
	newCaller(w.URL, reader.Token).must(t, 200, "PUT", "/v1/users/"+author.ID.String()+"/follow", nil)
	w.stop()
	c := newChild(t, w.Data, append(env, "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=100000",
		"BELFRY_SERVER_INSECURE_HTTP=true")...)
	c.URL, c.Admin = scheme()+lab.address+":8080", "http://127.0.0.1:8081"
	lab.inside(lab.server, c.mustStart)

	steady := lab.streams(lab.near, c, reader, "", n)
	doomed := lab.streams(lab.far, c, reader, "", n)
	lab.until(c, func(open int) bool { return open == 2*n }, deadline) // one is counted after its ready
	lab.must("ip", "-n", lab.far, "link", "set", "up0", "down")
	began := time.Now()
	lab.until(c, func(open int) bool { return open <= n }, within)
	t.Logf("%d vanished peers were freed within %v", n, time.Since(began).Round(time.Millisecond))
	lab.caller(lab.near, c.URL, author.Token).must(t, 201, "POST", "/v1/posts",
		map[string]any{"text": "while they were away"})
	heard := func(list []*labStream) {
		t.Helper()
		for i, s := range list {
			if b, err := nextBlock(s.r); err != nil || b.Event != "post.created" || !strings.Contains(b.Data,
				"while they were away") {
				t.Errorf("stream %d: %+v, %v", i, b, err)
			}
			_ = s.Close()
		}
	}
	heard(steady)
	lab.must("ip", "-n", lab.far, "link", "set", "up0", "up")
	heard(lab.streams(lab.far, c, reader, doomed[0].last, n))
	for _, s := range doomed {
		_ = s.Close()
	}
	lab.inside(lab.server, c.kill)
}

// lab is one server and two clients, each a host of its own: namespaces joined by cables.
type lab struct {
	t                 testing.TB
	server, near, far string
	address           string // of the server
}

func newLab(t testing.TB) *lab {
	t.Helper()
	name := "belfry" + strconv.Itoa(os.Getpid()) + "-"
	l := &lab{t: t, server: name + "server", near: name + "near", far: name + "far", address: "10.77.0.1"}
	for _, ns := range []string{l.server, l.near, l.far} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("SKIP: no network namespaces here: %v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		l.must("ip", "-n", ns, "link", "set", "lo", "up")
	}
	l.must("ip", "-n", l.server, "link", "add", "switch0", "type", "bridge")
	l.must("ip", "-n", l.server, "addr", "add", l.address+"/24", "dev", "switch0")
	l.must("ip", "-n", l.server, "link", "set", "switch0", "up")
	for i, ns := range []string{l.near, l.far} {
		port := fmt.Sprintf("port%d", i)
		l.must("ip", "-n", l.server, "link", "add", port, "type", "veth", "peer", "name", "up0", "netns", ns)
		l.must("ip", "-n", l.server, "link", "set", port, "master", "switch0", "up")
		l.must("ip", "-n", ns, "addr", "add", fmt.Sprintf("10.77.0.%d/24", 2+i), "dev", "up0")
		l.must("ip", "-n", ns, "link", "set", "up0", "up")
	}
	return l
}

func (l *lab) must(name string, args ...string) {
	l.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// inside runs fn on a thread of a namespace: sockets and processes that it makes belong there.
func (l *lab) inside(ns string, fn func()) {
	l.t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		l.t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/run/netns", ns))
	if err != nil {
		l.t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		l.t.Fatalf("enter %s: %v", ns, err)
	}
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // otherwise the thread ends with the goroutine
		}
	}()
	fn()
}

// labStream is one stream, after its ready.
type labStream struct {
	net.Conn
	r    *bufio.Reader
	last string // the id of ready
}

// streams opens n streams from a namespace.
func (l *lab) streams(ns string, c *child, who member, after string, n int) (list []*labStream) {
	l.t.Helper()
	host := addressOf(c.URL)
	l.inside(ns, func() {
		for range n {
			conn := secured(l.dial(c.URL))
			list = append(list, &labStream{Conn: conn, r: bufio.NewReaderSize(conn, 2<<10)})
		}
	})
	for _, s := range list {
		_ = s.SetDeadline(time.Now().Add(2 * time.Minute))
		fmt.Fprintf(s, "GET /v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n"+
			"Last-Event-ID: %s\r\n\r\n", host, who.Token, after)
		if resp, err := http.ReadResponse(s.r, nil); err != nil || resp.StatusCode != http.StatusOK {
			l.t.Fatalf("stream: %+v, %v", resp, err)
		}
		b, err := nextBlock(s.r)
		if err != nil || b.Event != "ready" {
			l.t.Fatalf("stream: %+v, %v", b, err)
		}
		s.last = b.ID
	}
	return list
}

var openStreams = regexp.MustCompile(`(?m)^belfry_sse_connections\{[^}]*\} (\d+)$`)

// open asks how many streams are open.
func (l *lab) open(c *child) int {
	l.t.Helper()
	text := l.caller(l.server, c.Admin, "").must(l.t, 200, "GET", "/metrics", nil)
	m := openStreams.FindSubmatch(text)
	if m == nil {
		l.t.Fatalf("no figure of open streams in %s", text)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// until asks how many streams are open, since their peers cannot tell, until that is as wanted.
func (l *lab) until(c *child, wanted func(open int) bool, within time.Duration) {
	l.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		open := l.open(c)
		if wanted(open) {
			return
		}
		if time.Since(began) > within {
			l.t.Fatalf("%d streams are open after %v", open, within)
		}
	}
}

// caller is somebody in a namespace, for one question.
func (l *lab) caller(ns, base, token string) *caller {
	l.t.Helper()
	var conn net.Conn
	l.inside(ns, func() { conn = l.dial(base) })
	c := newCaller(base, token)
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string,
		string) (net.Conn, error) {
		return conn, nil
	}}
	return c
}

// dial connects on this thread, hence in its namespace.
func (l *lab) dial(base string) net.Conn {
	l.t.Helper()
	conn, err := net.DialTimeout("tcp", addressOf(base), deadline)
	if err != nil {
		l.t.Fatal(err)
	}
	return conn
}
