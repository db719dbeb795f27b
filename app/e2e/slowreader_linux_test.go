package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSlowReader (P7, make slowreader) is the full form: N people who read nothing and some who read 2 KiB a second,
// beside ten times N who read, with the shipped configuration, for some minutes. Its small form is that of the stream
// engine.
func TestSlowReader(t *testing.T) {
	n := number(t, "STUCK", 0)
	if n == 0 {
		t.Skip("SKIP: the full form takes minutes: make slowreader")
	}
	l := newSlowLab(t, number(t, "SECONDS", 240), float64(number(t, "RATE", 20)))
	healthy := make([]*slowStream, 10*n)
	for i := range healthy {
		s := l.open("", 0, 0)
		healthy[i] = s
		l.reading.Go(func() { s.follow(l) })
	}
	unwatched := l.watch(nil) // the looks cost the same alone
	alone := l.post(l.seconds / 4)
	unwatched()
	var stuck, slow []*slowStream
	for i := range n {
		stuck = append(stuck, l.open("", []int{4 << 10, 16 << 10, 64 << 10}[i%3], 0))
	}
	for _, buffer := range []int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 0} {
		s := l.open("", buffer, 1448)
		slow = append(slow, s)
		l.reading.Go(func() { s.sip(l.over) })
	}
	closed := l.watch(stuck)
	beside := l.post(l.seconds / 4)
	l.post(l.seconds - l.seconds/4)
	after := closed()
	kept, open := 0, l.established()
	for _, s := range slow {
		if open[s.port] > 0 {
			kept++
		}
	}
	close(l.over)
	lost := 0
	for _, s := range stuck {
		lost += l.missed(s)
	}
	for _, s := range healthy {
		_ = s.Close()
	}
	l.reading.Wait()
	first, last := slices.Min(after), slices.Max(after)
	if first < 10 || last > 15.5 { // looked at four times a second
		t.Errorf("the stuck were closed %.1f to %.1f s after the last byte had moved", first, last)
	}
	if kept < len(slow) {
		t.Errorf("%d of %d slow readers were kept", kept, len(slow))
	}
	if lost > 0 {
		t.Errorf("%d events were lost", lost)
	}
	if beside > alone*1.1 {
		t.Errorf("p99 %.1f ms beside the stuck, %.1f ms alone", beside, alone)
	}
	report(t, "slowreader", 0, map[string]any{"stuck": n, "healthy": len(healthy), "p99_alone_ms": alone,
		"p99_beside_ms": beside, "closed_first_s": first, "closed_last_s": last, "slow": len(slow),
		"slow_kept": kept, "seconds": l.seconds, "lost": lost})
}

// slowLab is a server with one author, and everything that was posted.
type slowLab struct {
	t       testing.TB
	c       *child
	author  *caller
	reader  member
	seconds int
	rate    float64
	over    chan struct{}
	reading sync.WaitGroup

	mu     sync.Mutex
	posted []string             // ids of events, in order, as the first reader saw them
	sentAt map[string]time.Time // by the text's number
	took   []time.Duration      // from the post to each reader
}

func newSlowLab(t testing.TB, seconds int, rate float64) *slowLab {
	w := startWorld(t, nil, 2)
	l := &slowLab{t: t, reader: w.People[1], seconds: seconds, rate: rate, over: make(chan struct{}),
		sentAt: map[string]time.Time{}}
	newCaller(w.URL, l.reader.Token).must(t, 200, "PUT", "/v1/users/"+w.People[0].ID.String()+"/follow", nil)
	w.stop()
	l.c = newChild(t, w.Data, "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=100000", "BELFRY_LIMITS_ENABLED=false")
	l.c.mustStart()
	l.author = newCaller(l.c.URL, w.People[0].Token)
	return l
}

// slowStream is one stream behind its ready.
type slowStream struct {
	*net.TCPConn
	r    *bufio.Reader
	last string // id
	port string // its own, in hexadecimal as the kernel prints it
}

// open opens a stream with a receive buffer and a segment size; 0 = as the system has it.
func (l *slowLab) open(after string, buffer, segment int) *slowStream {
	l.t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			if buffer > 0 {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
			}
			if segment > 0 {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
			}
		})
	}}
	host := strings.TrimPrefix(l.c.URL, "http://")
	conn, err := d.Dial("tcp", host)
	if err != nil {
		l.t.Fatal(err)
	}
	s := &slowStream{TCPConn: conn.(*net.TCPConn), r: bufio.NewReaderSize(conn, 512)}
	s.port = fmt.Sprintf("%04X", s.LocalAddr().(*net.TCPAddr).Port)
	fmt.Fprintf(s, "GET /v1/events?posts=all&types=post HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n"+
		"Authorization: Bearer %s\r\nLast-Event-ID: %s\r\n\r\n", host, l.reader.Token, after)
	if resp, err := http.ReadResponse(s.r, nil); err != nil || resp.StatusCode != http.StatusOK {
		l.t.Fatalf("stream: %+v, %v", resp, err)
	}
	b, err := nextBlock(s.r)
	if err != nil || b.Event != "ready" {
		l.t.Fatalf("stream: %+v, %v", b, err)
	}
	s.last = b.ID
	return s
}

var postNumber = regexp.MustCompile(`number (\d+) `)

// follow reads until the stream ends, and notes when each post came.
func (s *slowStream) follow(l *slowLab) {
	for {
		b, err := nextBlock(s.r)
		if err != nil {
			return
		}
		m := postNumber.FindStringSubmatch(b.Data)
		if m == nil {
			continue
		}
		l.mu.Lock()
		l.took = append(l.took, time.Since(l.sentAt[m[1]]))
		if !slices.Contains(l.posted[max(0, len(l.posted)-64):], b.ID) {
			l.posted = append(l.posted, b.ID)
		}
		l.mu.Unlock()
	}
}

// sip reads 2 KiB a second.
func (s *slowStream) sip(over <-chan struct{}) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	piece := make([]byte, 512)
	for {
		select {
		case <-over:
			_ = s.Close()
			return
		case <-tick.C:
			if _, err := io.ReadFull(s.r, piece); err != nil {
				return
			}
		}
	}
}

// post posts for some seconds and gives the p99 of the time until a reader had it, in milliseconds.
func (l *slowLab) post(seconds int) float64 {
	l.mu.Lock()
	l.took = nil
	l.mu.Unlock()
	tick := time.NewTicker(time.Duration(float64(time.Second) / l.rate))
	defer tick.Stop()
	for range int(float64(seconds) * l.rate) {
		<-tick.C
		l.mu.Lock()
		number := strconv.Itoa(len(l.sentAt))
		l.sentAt[number] = time.Now()
		l.mu.Unlock()
		l.author.must(l.t, 201, "POST", "/v1/posts", map[string]any{"text": "number " + number + " " +
			strings.Repeat("x", 400)})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	return float64(l.took[len(l.took)*99/100].Microseconds()) / 1000
}

// established is what the server's kernel holds for each stream that is open, by the client's port: 1 and the bytes
// that wait.
func (l *slowLab) established() map[string]int64 {
	_, port, _ := strings.Cut(strings.TrimPrefix(l.c.URL, "http://"), ":")
	number, _ := strconv.Atoi(port)
	suffix, out := fmt.Sprintf(":%04X", number), map[string]int64{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			l.t.Error(err)
		}
		for line := range bytes.Lines(text) {
			f := strings.Fields(string(line))
			if len(f) > 4 && strings.HasSuffix(f[1], suffix) && f[3] == "01" {
				waiting, _, _ := strings.Cut(f[4], ":")
				n, _ := strconv.ParseInt(waiting, 16, 64)
				out[f[2][strings.LastIndex(f[2], ":")+1:]] = n + 1
			}
		}
	}
	return out
}

// watch notes when bytes last moved to or into each stream's kernel, and when the server closed it. The result ends
// the looks and gives the seconds between, 1e9 for those that are open.
func (l *slowLab) watch(list []*slowStream) func() []float64 {
	after, stop, done := []float64{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		moved, was, left := map[string]time.Time{}, l.established(), slices.Clone(list)
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := l.established()
			left = slices.DeleteFunc(left, func(s *slowStream) bool {
				n, open := now[s.port]
				if open && (n != was[s.port] || moved[s.port].IsZero()) {
					moved[s.port] = time.Now()
				} else if !open {
					after = append(after, time.Since(moved[s.port]).Seconds())
				}
				return !open
			})
			was = now
		}
	}()
	return func() []float64 {
		close(stop)
		<-done
		return append(after, slices.Repeat([]float64{1e9}, len(list)-len(after))...)
	}
}

// missed reads what a closed stream still holds, comes back by its last id and gives how many events never came.
func (l *slowLab) missed(s *slowStream) int {
	last := s.last
	_ = s.SetReadDeadline(time.Now().Add(deadline))
	for {
		b, err := nextBlock(s.r)
		if err != nil {
			break
		}
		last = b.ID
	}
	_ = s.Close()
	l.mu.Lock()
	want := l.posted[slices.Index(l.posted, last)+1:]
	l.mu.Unlock()
	again := l.open(last, 0, 0)
	defer again.Close()
	_ = again.SetReadDeadline(time.Now().Add(deadline))
	for i, id := range want {
		if b, err := nextBlock(again.r); err != nil || b.ID != id {
			l.t.Errorf("came back after %s: %+v instead of %s, %v", last, b, id, err)
			return len(want) - i
		}
	}
	return 0
}
