package e2e_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// street is a site of healthy pairs, as a process of its own: one of each pair posts, the other follows with the bell,
// a stream and a webhook.
type street struct {
	*child
	t      testing.TB
	full   bool
	pairs  []*pair
	hook   *httptest.Server
	got    sync.Map     // text of a post -> chan time.Time, of its delivery to the webhook
	bad    atomic.Int64 // refusals that healthy people met
	abuser resident
	took   atomic.Int64 // what the abuser got: answers of 2xx
	other  atomic.Int64 // and all else
	grew   int64        // bytes of the stores, since the limits are on

	sink   *httptest.Server // where the abuse goes in turns without it: what its clients cost is in both
	aside  atomic.Bool      // it goes there now
	signIn int              // one of a healthy pair signs in in each so manieth round; 0 = never
	rounds atomic.Int64     // of all pairs
	ids    []string         // of the abuser's things
	open   *atomic.Int64    // connections to a tarpit
	peak   int64
}

// resident is a person with an address of their own, which the server believes because the test is its proxy.
type resident struct {
	*caller
	id, name, address string
}

type pair struct {
	author, reader resident
	frames         chan frame // what the reader's stream brings
	rounds         int
}

type frame struct {
	text string
	at   time.Time
}

// latencies are times by what they are of.
type latencies map[string][]time.Duration

func (l latencies) add(more latencies) {
	for what, list := range more {
		l[what] = append(l[what], list...)
	}
}

// at is a quantile of one of them.
func (l latencies) at(what string, q float64) time.Duration {
	list := slices.Sorted(slices.Values(l[what]))
	if len(list) == 0 {
		return 0
	}
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

func newStreet(t testing.TB, full bool) *street {
	t.Helper()
	s := &street{t: t, full: full, child: newChild(t, t.TempDir()+"/data", "BELFRY_SERVER_TRUSTED_PROXIES=127.0.0.1",
		"BELFRY_CHANNELS_WEBHOOK_ALLOW_HTTP=true", "BELFRY_CHANNELS_WEBHOOK_ALLOW_PRIVATE=true", "BELFRY_LOG_LEVEL=error")}
	if full {
		s.env = append(s.env, childAnswers+"=") // what is timed is the program without a watch on its answers
	}
	s.hook = httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(s.hook.Close)
	s.sink = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(s.sink.Close)
	s.mustStart()
	s.abuser = s.resident("mallory", "203.0.113.1")
	pairs := 2
	if full {
		pairs = 10
	}
	for i := range pairs {
		p := &pair{author: s.resident(fmt.Sprintf("author%d", i), fmt.Sprintf("198.51.100.%d", 2*i+1)),
			reader: s.resident(fmt.Sprintf("reader%d", i), fmt.Sprintf("198.51.100.%d", 2*i+2))}
		p.reader.must(t, 200, "PUT", "/v1/users/"+p.author.id+"/follow", map[string]any{"notify": true})
		p.reader.must(t, 201, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
			"types": []string{"post"}, "settings": map[string]any{"url": s.hook.URL}})
		s.pairs = append(s.pairs, p)
	}
	return s
}

// resident makes an account; a password hash is the only thing it costs.
func (s *street) resident(name, address string) resident {
	s.t.Helper()
	r := resident{caller: newCaller(s.URL, ""), name: name, address: address}
	r.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	from := "X-Forwarded-For: " + address
	var me struct{ User struct{ ID string } }
	s.read(r.must(s.t, 201, "POST", "/v1/auth/register", map[string]any{"username": name, "password": password},
		from), &me)
	var token struct{ Token string }
	s.read(r.must(s.t, 201, "POST", "/v1/auth/token", map[string]any{"login": name, "password": password, "name": "t",
		"scopes": []string{"read", "events", "write:posts", "write:follows", "write:account"}}, from), &token)
	r.id, r.token = me.User.ID, token.Token
	return r
}

func (r resident) must(t testing.TB, status int, method, path string, body any, header ...string) []byte {
	t.Helper()
	return r.caller.must(t, status, method, path, body, append(header, "X-Forwarded-For: "+r.address)...)
}

// try asks, from any goroutine.
func (r resident) try(method, path string, body any) int {
	status, _, _ := r.ask(method, path, body, "X-Forwarded-For: "+r.address)
	return status
}

func (s *street) read(text []byte, into any) {
	s.t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		s.t.Fatal(err)
	}
}

// restart puts the default limits on.
func (s *street) restart() {
	s.t.Helper()
	s.term()
	s.exit(deadline)
	s.grew = -s.database()
	s.env = append(s.env, "BELFRY_LIMITS_ENABLED=true")
	s.mustStart()
	for _, p := range s.pairs {
		p.listen(s)
	}
	s.grew -= s.log()
}

// end stops the program and takes the size of what it leaves.
func (s *street) end() {
	s.grew += s.log()
	s.term()
	s.exit(deadline)
	s.grew += s.database()
}

// database is how large the database of a program that was stopped is.
func (s *street) database() int64 {
	s.t.Helper()
	info, err := os.Stat(s.Data + "/belfry.db")
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

// log is how much of the event log is in use.
func (s *street) log() int64 {
	s.t.Helper()
	text := newCaller(s.Admin, "").must(s.t, 200, "GET", "/metrics", nil)
	found := regexp.MustCompile(`(?m)^belfry_log_used_bytes (\S+)$`).FindSubmatch(text)
	if found == nil {
		s.t.Fatal("/metrics does not tell how large the log is")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return int64(n)
}

// settle waits until what was prepared has been delivered.
func (s *street) settle() { s.live(len(s.pairs)) }

// listen opens the reader's stream and keeps the texts that come.
func (p *pair) listen(s *street) {
	s.t.Helper()
	p.frames = make(chan frame, 4096)
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"Accept": "text/event-stream", "Authorization": "Bearer " + p.reader.token,
		"X-Forwarded-For": p.reader.address} {
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("stream: %v", err)
	}
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	if first, err := lines.ReadString('\n'); err != nil || first == "" {
		s.t.Fatal(err)
	}
	go func() {
		defer resp.Body.Close()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			var e struct{ Data struct{ Text string } }
			if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &e) == nil &&
				e.Data.Text != "" {
				p.frames <- frame{e.Data.Text, time.Now()}
			}
		}
	}()
}

// beside has the healthy live while the abuse goes on, against the program or, for comparison, the sink.
func (s *street) beside(a abuse, aside bool, rounds int) latencies {
	s.aside.Store(aside)
	s.abuser.base = s.target()
	end := a.begin(s)
	out := s.live(rounds)
	end()
	return out
}

// target is where the abuse goes.
func (s *street) target() string {
	if s.aside.Load() {
		return s.sink.URL
	}
	return s.URL
}

// receive is everybody's webhook.
func (s *street) receive(_ http.ResponseWriter, r *http.Request) {
	at := time.Now()
	var e struct{ Data struct{ Text string } }
	body, err := io.ReadAll(r.Body)
	if err == nil && json.Unmarshal(body, &e) == nil {
		if ch, ok := s.got.Load(e.Data.Text); ok {
			select {
			case ch.(chan time.Time) <- at:
			default: // told before: at least once is the promise
			}
		}
	}
}

// live has every pair do so many rounds, less than their limits allow, and gives the times. Whatever does not come, or
// is refused, fails the test.
func (s *street) live(rounds int) latencies {
	s.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	out := latencies{}
	for _, p := range s.pairs {
		all.Go(func() {
			tick := time.NewTicker(600 * time.Millisecond) // 100 writes a minute
			defer tick.Stop()
			for range rounds / len(s.pairs) {
				times := s.round(p)
				mu.Lock()
				for what, d := range times {
					out[what] = append(out[what], d)
				}
				mu.Unlock()
				if s.full {
					<-tick.C
				}
			}
		})
	}
	all.Wait()
	return out
}

// round is one post of a pair, on all roads.
func (s *street) round(p *pair) map[string]time.Duration {
	text := "round " + social.NewID().String()
	hooked := make(chan time.Time, 1)
	s.got.Store(text, hooked)
	defer s.got.Delete(text)
	begun := time.Now()
	out := map[string]time.Duration{}
	step := func(what string, status, want int) {
		if status != want {
			s.bad.Add(1)
			s.t.Errorf("%s: %s answered %d", p.author.name, what, status)
		}
		out[what] = time.Since(begun)
	}
	step("post", p.author.try("POST", "/v1/posts", map[string]any{"text": text}), 201)
	late := time.After(deadline)
	for heard := false; !heard; {
		select {
		case f := <-p.frames:
			if heard = f.text == text; heard {
				out["stream"] = f.at.Sub(begun)
			}
		case <-late:
			s.t.Errorf("%s: the stream did not bring %s", p.reader.name, text)
			return out
		}
	}
	select {
	case at := <-hooked:
		out["webhook"] = at.Sub(begun)
	case <-late:
		s.t.Errorf("%s: the webhook was not told of %s", p.reader.name, text)
	}
	begun = time.Now()
	step("home", p.reader.try("GET", "/v1/timelines/home", nil), 200)
	begun = time.Now()
	step("posts", p.reader.try("GET", "/v1/users/"+p.author.id+"/posts", nil), 200)
	s.rounds.Add(1)
	if p.rounds++; s.signIn > 0 && p.rounds%s.signIn == 0 {
		who := p.author
		if p.rounds/s.signIn%2 == 0 {
			who = p.reader
		}
		begun = time.Now()
		step("login", who.try("POST", "/v1/auth/login", map[string]any{"login": who.name, "password": password}), 200)
	}
	return out
}

// report prints a line for each thing that was measured.
func (s *street) report(name string, alone, abused latencies) {
	for _, what := range slices.Sorted(func(yield func(string) bool) {
		for what := range alone {
			if !yield(what) {
				return
			}
		}
	}) {
		ratio := float64(abused.at(what, 0.99)) / float64(max(1, alone.at(what, 0.99)))
		low, high := bounds(alone[what], abused[what])
		middle := float64(abused.at(what, 0.5)) / float64(max(1, alone.at(what, 0.5)))
		line, err := json.Marshal(map[string]any{"check": "neighbours", "abuse": name, "of": what, "n": len(abused[what]),
			"alone_p50_us": alone.at(what, 0.5).Microseconds(), "abused_p50_us": abused.at(what, 0.5).Microseconds(),
			"alone_p95_us": alone.at(what, 0.95).Microseconds(), "abused_p95_us": abused.at(what, 0.95).Microseconds(),
			"alone_p99_us": alone.at(what, 0.99).Microseconds(), "abused_p99_us": abused.at(what, 0.99).Microseconds(),
			"ratio_p50": middle, "ratio_p99": ratio, "ratio_p99_from": low, "ratio_p99_to": high, "abuser_ok": s.took.Load(),
			"abuser_refused": s.other.Load(), "disk_grew": s.grew})
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Println(string(line))
	}
}

// bounds are between which the ratio of the 99ths of a hundred is in nine of ten samples drawn anew from these
// (bootstrap, Efron 1979).
func bounds(alone, abused []time.Duration) (low, high float64) {
	rng := rand.New(rand.NewPCG(1, 1))
	again := func(list []time.Duration) time.Duration {
		drawn := make([]time.Duration, len(list))
		for i := range drawn {
			drawn[i] = list[rng.IntN(len(list))]
		}
		return latencies{"": drawn}.at("", 0.99)
	}
	ratios := make([]float64, 400)
	for i := range ratios {
		ratios[i] = float64(again(abused)) / float64(max(1, again(alone)))
	}
	slices.Sort(ratios)
	return ratios[20], ratios[379]
}

// assault runs work on so many goroutines, at most rate a second in all (0 = as fast as it is answered), until it is
// ended; it counts what came of it.
func (s *street) assault(workers, rate int, work func(i int64) int) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var next atomic.Int64
	for range workers {
		all.Go(func() {
			pause := time.NewTicker(time.Duration(workers) * time.Second / time.Duration(cmp.Or(rate, workers*1000)))
			defer pause.Stop()
			for ctx.Err() == nil {
				switch status := work(next.Add(1)); {
				case s.aside.Load():
				case status >= 200 && status < 300:
					s.took.Add(1)
				default:
					s.other.Add(1)
				}
				select {
				case <-ctx.Done():
				case <-pause.C:
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// tarpit accepts connections and never answers.
func tarpit(t testing.TB) (url string, open *atomic.Int64, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, c)
				open.Add(-1)
				_ = c.Close()
			}()
		}
	}()
	return "http://" + l.Addr().String(), open, func() { _ = l.Close() }
}

func nothing() {}
