package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
)

// TestNeighbours is one abuser, or as many as an attack takes, beside people who mind their own business: post, read
// their home page, sign in, and are told by stream and webhook. It counts: nothing of theirs is lost or refused, and
// what the abuser gets is bounded. The full form, make neighbours, also compares times, in turns with and without the
// abuse.
func TestNeighbours(t *testing.T) {
	full := os.Getenv("NEIGHBOURS") != ""
	turns, ops := 1, 12
	if full {
		turns, ops = number(t, "TURNS", 3), number(t, "OPS", 300)
	}
	for _, a := range abuses {
		t.Run(a.name, func(t *testing.T) {
			street := newStreet(t, full)
			if a.signIn { // eight times a person, where ten are allowed
				street.signIn = max(1, turns*2*ops/len(street.pairs)/16)
			}
			stop := a.prepare(street)
			defer stop()
			street.restart()
			street.settle()
			alone, abused := latencies{}, latencies{}
			for _, aside := range a.order(turns, full) {
				if times := street.beside(a, aside, ops); aside {
					alone.add(times)
				} else {
					abused.add(times)
				}
			}
			street.end()
			if full {
				street.report(a.name, alone, abused)
			}
			a.check(street)
			if most := int64(24<<20) + street.rounds.Load()*16<<10; street.grew > most { // 0069 has what an account gets
				t.Errorf("the stores grew by %d bytes, at most %d may be the abuser's and the others'", street.grew, most)
			}
		})
	}
}

// abuses are the attacks. What each may get is checked by counting.
var abuses = []abuse{
	{name: "webhooks that never answer", prepare: func(s *street) func() {
		url, open, stop := tarpit(s.t)
		s.open = open
		for range 20 {
			var e struct{ ID string }
			s.read(s.abuser.must(s.t, 201, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
				"settings": map[string]any{"url": url}}), &e)
			s.ids = append(s.ids, e.ID)
		}
		return stop
	}, begin: func(s *street) func() {
		send := func(i int64) int {
			return s.abuser.try("POST", "/v1/me/endpoints/"+s.ids[i%20]+"/test", nil)
		}
		atOnce(80, 8, func(i int) { send(int64(i)) })
		end := s.assault(2, 20, send)
		return func() { s.peak = max(s.peak, s.open.Load()); end() }
	}, check: func(s *street) {
		if most := int64(pipeline.DefaultConfig().AttemptsPerOwner); s.peak > most {
			s.t.Errorf("%d attempts of one owner were open at once, at most %d may be", s.peak, most)
		}
	}, lingers: true},
	{name: "comments nobody may see", prepare: func(s *street) func() {
		var top struct{ ID string }
		s.read(s.abuser.must(s.t, 201, "POST", "/v1/posts", map[string]any{"text": "top", "visibility": "followers"}), &top)
		s.repeat(s.many(36_000), func(i int) (string, string, any) {
			return "POST", "/v1/posts", map[string]any{"text": "x", "reply_to": top.ID}
		})
		return nothing
	}, begin: func(s *street) func() {
		return s.assault(10, 100, func(i int64) int {
			return s.visit(fmt.Sprintf("192.0.2.%d", i%10), "GET", "/v1/users/"+s.abuser.id+"/posts?comments=true&limit=1", nil)
		})
	}, check: func(s *street) {}},
	{name: "posts to everybody by name", prepare: func(s *street) func() {
		s.repeat(s.many(6_000), func(int) (string, string, any) {
			return "POST", "/v1/posts", map[string]any{"text": s.names(), "visibility": "mentioned"}
		})
		return nothing
	}, begin: func(s *street) func() {
		return s.assault(2, 20, func(int64) int {
			return s.abuser.try("POST", "/v1/posts", map[string]any{"text": s.names(), "visibility": "mentioned"})
		})
	}, check: func(s *street) {
		if named := s.took.Load() * int64(len(s.pairs)); named > 300+50 { // an hour's budget, and ten minutes of the next
			s.t.Errorf("%d people were named in a few minutes", named)
		}
	}},
	{name: "long posts without end", prepare: func(*street) func() { return nothing }, begin: func(s *street) func() {
		text := strings.Repeat("\U0001F514", 5000)
		return s.assault(8, 50, func(int64) int { return s.abuser.try("POST", "/v1/posts", map[string]any{"text": text}) })
	}, check: func(s *street) {
		if grew := s.took.Load() * 40_000; grew > 8<<20 {
			s.t.Errorf("one account wrote %d bytes", grew)
		}
	}},
	{name: "guesses from everywhere", signIn: true, prepare: func(*street) func() { return nothing },
		begin: func(s *street) func() {
			return s.assault(50, 200, func(i int64) int {
				address := fmt.Sprintf("2001:db8:%x:%x::1", i%40, i%65536)
				return s.visit(address, "POST", "/v1/auth/login", map[string]any{
					"login":    s.pairs[i%int64(len(s.pairs))].author.name,
					"password": fmt.Sprintf("guess number %d", i)})
			})
		}, check: func(s *street) {
			if s.took.Load() != 0 {
				s.t.Error("a guess was right")
			}
		}},
	{name: "paths that lead nowhere", prepare: func(*street) func() { return nothing }, begin: func(s *street) func() {
		paths := []string{"/nothing", "/docs", "/openapi.json", "/v1/nothing", "/problems/nothing"}
		return s.assault(8, 100, func(i int64) int {
			return s.visit("203.0.113.9", "GET", paths[i%5], nil)
		})
	}, check: func(s *street) {
		if s.full && s.took.Load() > 600*10 {
			s.t.Errorf("one address was answered %d times", s.took.Load())
		}
	}},
}

// visit asks as nobody, from an address.
func (s *street) visit(address, method, path string, body any) int {
	var r io.Reader
	if body != nil {
		text, _ := json.Marshal(body) // a map of strings
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, s.target()+path, r)
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", address)
	resp, err := s.abuser.http.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return resp.StatusCode
}

// many is how much an abuse prepares: all of it in the full form.
func (s *street) many(all int) int {
	if s.full {
		return all
	}
	return all / 30
}

// repeat has the abuser do something so often, and wants it done.
func (s *street) repeat(n int, what func(i int) (method, path string, body any)) {
	atOnce(n, 8, func(i int) {
		method, path, body := what(i)
		if status := s.abuser.try(method, path, body); status != 201 {
			s.t.Errorf("prepare: %s %s answered %d", method, path, status)
		}
	})
}

// names is a text that names everybody.
func (s *street) names() string {
	var b strings.Builder
	for _, p := range s.pairs {
		b.WriteString("@" + p.reader.name + " ")
	}
	return b.String()
}

// abuse is one way to be a bad neighbour.
type abuse struct {
	name    string
	prepare func(*street) (stop func()) // with limits off: what an abuser has brought together over days
	begin   func(*street) (end func())  // at default limits
	check   func(*street)               // what the abuser got, counted
	signIn  bool                        // healthy people sign in now and then
	lingers bool                        // and goes on when it has ended: the turns without it come first
}

// order is that of the turns, true for one in which the abuse goes to the sink: both are first in turn, so that what
// changes by itself is in both. The short form compares nothing.
func (a abuse) order(turns int, full bool) (aside []bool) {
	switch {
	case !full:
		return []bool{false}
	case a.lingers:
		return append(slices.Repeat([]bool{true}, turns), slices.Repeat([]bool{false}, turns)...)
	}
	return slices.Repeat([]bool{true, false, false, true}, turns)[:2*turns]
}
