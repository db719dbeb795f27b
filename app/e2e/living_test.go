package e2e_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

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

// dropped is how many lines of its log the server says it has dropped.
func (c *child) dropped() int {
	c.t.Helper()
	text := newCaller(c.Admin, "").must(c.t, 200, "GET", "/metrics", nil)
	found := regexp.MustCompile(`(?m)^belfry_log_dropped_lines_total (\S+)$`).FindSubmatch(text)
	if found == nil {
		c.t.Fatal("no belfry_log_dropped_lines_total")
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
	for c.dropped() == 0 { // the pipe takes 64 KiB, the queue a megabyte
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
	for c.dropped() < 3 {
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
