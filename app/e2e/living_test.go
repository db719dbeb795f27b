package e2e_test

import (
	"errors"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const droppedLines = "belfry_log_dropped_lines_total"

// pipeTo gives a child a pipe as standard error, whose reader is the test.
func (c *child) pipeTo() (reader *os.File) {
	c.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.stderr = w
	c.t.Cleanup(func() { r.Close(); w.Close() })
	return r
}

// figure is a metric without labels.
func (c *child) figure(name string) int {
	c.t.Helper()
	text := newCaller(c.Admin, "").must(c.t, 200, "GET", "/metrics", nil)
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		c.t.Fatalf("no %s", name)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return int(n)
}

// TestLogNobodyReads: a pipe that is full holds up neither requests nor the end, and what is dropped is counted. Once
// somebody reads, one line says how much is missing.
func TestLogNobodyReads(t *testing.T) {
	c := newChild(t, t.TempDir()+"/data")
	reader := c.pipeTo()
	c.mustStart()
	public := newCaller(c.URL, "")
	ask := func(times int) { // a line of 400 bytes each
		for range times {
			public.must(t, 404, "GET", "/"+strings.Repeat("x", 100), nil, "X-Request-Id: "+strings.Repeat("y", 64))
		}
	}
	for c.figure(droppedLines) == 0 { // the pipe takes 64 KiB, the queue a megabyte
		ask(500)
	}
	missing := make(chan string)
	go func() {
		said := regexp.MustCompile(`"msg":"log lines dropped[^"]*","lines":\d+`)
		buf, kept := make([]byte, 64<<10), []byte(nil)
		for {
			n, err := reader.Read(buf)
			if kept = append(kept, buf[:n]...); err != nil || said.Match(kept) {
				missing <- string(said.Find(kept))
				return // nobody reads again
			}
		}
	}()
	ask(1)
	if said := <-missing; said == "" {
		t.Error("no line says how many are missing")
	}
	ask(500) // the pipe is full again
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSignalsThatEndNothing: the reader of the log goes away, and the terminal does.
func TestSignalsThatEndNothing(t *testing.T) {
	c := newChild(t, t.TempDir()+"/data")
	reader := c.pipeTo()
	c.mustStart()
	public := newCaller(c.URL, "")
	reader.Close()
	c.stderr.Close()
	for c.figure(droppedLines) < 3 {
		public.must(t, 401, "GET", "/v1/me", nil)
	}
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		public.must(t, 401, "GET", "/v1/me", nil)
	}
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDescriptorsRunOut (H16): connections that say nothing take all the open-file limit leaves. The process lives,
// answers those who are there, its operator, and whoever comes and says something: the silent make room.
func TestDescriptorsRunOut(t *testing.T) {
	c := newChild(t, t.TempDir()+"/data", "BELFRY_SERVER_READ_TIMEOUT=1h")
	c.limit = "ulimit -n 160"
	c.mustStart()
	early := newCaller(c.URL, "")
	early.must(t, 401, "GET", "/v1/me", nil)
	var silent []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	gone := func() int {
		return c.figure("belfry_http_connections_displaced_total") + c.figure("belfry_http_connections_dropped_total")
	}
	for gone() < 300-160 {
		_, _, _ = early.ask("GET", "/v1/me", nil) // which may be one that makes room
	}
	for range 20 {
		newCaller(c.URL, "").must(t, 401, "GET", "/v1/me", nil)
	}
	for _, conn := range silent {
		conn.Close()
	}
	for {
		if status, _, err := newCaller(c.URL, "").ask("GET", "/v1/me", nil); err == nil && status == 401 {
			break
		}
	}
	c.term()
	if code := c.exit(deadline); code != 0 || !strings.Contains(c.out.String(), `"room":120,"configured":30000`) {
		t.Errorf("exit code %d\n%s", code, c.out)
	}
}

// TestLimitsTooSmall: the end names the cure, before anything is made.
func TestLimitsTooSmall(t *testing.T) {
	for limit, want := range map[string]string{
		"ulimit -v 4000000": "ulimit -v unlimited, LimitAS=infinity",
		"ulimit -n 16":      "the open-file limit is 16 and has to be at least 128",
		"ulimit -n 32":      "the open-file limit is 32 and has to be at least 128",
	} {
		c := newChild(t, t.TempDir()+"/data")
		c.limit = limit
		if c.start("") {
			t.Fatalf("%s: it serves", limit)
		}
		if code := c.exit(deadline); code != 1 || !strings.Contains(c.out.String(), want) {
			t.Errorf("%s: exit code %d\n%s", limit, code, c.out)
		}
		if _, err := os.Stat(c.Data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the data directory is made: %v", limit, err)
		}
	}
}
