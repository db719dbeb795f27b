package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStreamsOverTLS holds many streams with HTTPS and without, in turns, and posts to all of them: each event comes to
// each, and a stream takes a bounded part of memory. STREAMS=, POSTS=, TURNS= and QUIET= (seconds) make it the
// measurement of docs/performance.md.
func TestStreamsOverTLS(t *testing.T) {
	defer func() { overTLS = false }()
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100000"}, 2)
	newCaller(w.URL, w.People[1].Token).must(t, 200, "PUT", "/v1/users/"+w.People[0].ID.String()+"/follow", nil)
	w.stop()
	figures := map[string]any{}
	for turn := range number(t, "TURNS", 1) {
		for _, overTLS = range []bool{false, true} {
			f := holdStreams(t, w, number(t, "STREAMS", 100), number(t, "POSTS", 20))
			for name, v := range f {
				figures[fmt.Sprintf("%s%d_%s", scheme()[:len(scheme())-3], turn, name)] = v
			}
			if most := 100.; f["kb_each"] > most && !raceDetector {
				t.Errorf("a stream takes %.0f KB, bound is %.0f", f["kb_each"], most)
			}
		}
	}
	report(t, "streams_tls", 0, figures)
}

func holdStreams(t *testing.T, w *world, n, posts int) map[string]float64 {
	t.Helper()
	c := newChild(t, w.Data, "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=100000")
	c.mustStart()
	defer c.kill()
	before := residentOf(t, c)
	var reading sync.WaitGroup
	defer reading.Wait()
	ready, got := make(chan struct{}, n), make(chan struct{}, n)
	all := func(from <-chan struct{}) {
		t.Helper()
		for range n {
			await(t, from, "a stream")
		}
	}
	for range n {
		conn, err := dial(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Minute))
		fmt.Fprintf(conn, "GET /v1/events?types=post HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"+
			"Authorization: Bearer %s\r\n\r\n", w.People[1].Token)
		reading.Go(func() {
			r := bufio.NewReaderSize(conn, 2<<10)
			if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
				t.Errorf("stream: %v, %v", resp, err)
			}
			for seen := -1; ; seen++ {
				b, err := nextBlock(r)
				switch {
				case err != nil:
					if seen != posts {
						t.Errorf("%d of %d posts came: %v", seen, posts, err)
					}
					return
				case seen < 0:
					ready <- struct{}{}
				case !strings.Contains(b.Data, fmt.Sprintf(`"number %d"`, seen)):
					t.Errorf("post %d came as %s", seen, b.Data)
					fallthrough
				default:
					got <- struct{}{}
				}
			}
		})
	}
	all(ready)
	<-time.After(time.Duration(number(t, "QUIET", 0)) * time.Second) // memory goes back when nothing happens
	held := residentOf(t, c)
	author := newCaller(c.URL, w.People[0].Token)
	var took []float64
	busy := workOf(t, c)
	for i := range posts {
		began := time.Now()
		author.must(t, 201, "POST", "/v1/posts", map[string]any{"text": fmt.Sprintf("number %d", i)})
		all(got)
		took = append(took, float64(time.Since(began).Microseconds())/1000)
	}
	busy = workOf(t, c) - busy
	slices.Sort(took)
	return map[string]float64{"kb_each": float64(held-before) / float64(n) / 1024, "ms_to_last": took[len(took)/2],
		"cpu_us_each": busy.Seconds() * 1e6 / float64(n*posts)}
}

// residentOf is the memory of a child that is resident, in bytes.
func residentOf(t testing.TB, c *child) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Skip(err) // not on every system
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// workOf is the processor time that a child has taken.
func workOf(t testing.TB, c *child) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
