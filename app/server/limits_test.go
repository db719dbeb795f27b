package server_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

func limitsWith(change func(*server.LimitsConfig)) server.LimitsConfig {
	c := server.DefaultLimitsConfig()
	change(&c)
	return c
}

func TestLimiterBurstAndReturn(t *testing.T) {
	clock := newFakeClock()
	l := server.NewLimiter(server.DefaultLimitsConfig(), clock.Now)
	for i := range 120 {
		if _, ok := l.Take(social.BudgetWrite, "user:a"); !ok {
			t.Fatalf("write %d of 120 was refused", i+1)
		}
	}
	retry, ok := l.Take(social.BudgetWrite, "user:a")
	if ok || retry != 500*time.Millisecond {
		t.Fatalf("write 121: got ok %v, retry %v; want refused, 500ms", ok, retry)
	}
	if _, ok := l.Take(social.BudgetWrite, "user:b"); !ok {
		t.Error("another key is limited too")
	}
	if _, ok := l.Take(social.BudgetRead, "user:a"); !ok {
		t.Error("another budget is limited too")
	}
	clock.Add(retry)
	if _, ok := l.Take(social.BudgetWrite, "user:a"); !ok {
		t.Error("refused at the moment it was told to come back")
	}
	if _, ok := l.Take(social.BudgetWrite, "user:a"); ok {
		t.Error("a refused attempt gave budget back")
	}
	clock.Add(time.Minute)
	taken := 0
	for {
		if _, ok := l.Take(social.BudgetWrite, "user:a"); !ok {
			break
		}
		taken++
	}
	if taken != 120 {
		t.Errorf("after a minute of rest %d were allowed, want 120", taken)
	}
}

// One request a second is never limited, however long it goes on.
func TestLimiterOneASecond(t *testing.T) {
	for _, b := range []social.Budget{social.BudgetRead, social.BudgetWrite, social.BudgetStreams} {
		clock := newFakeClock()
		l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) {
			c.Read, c.Write, c.Streams = server.Rate{Count: 60, Per: time.Minute}, server.Rate{Count: 1, Per: time.Second},
				server.Rate{Count: 3600, Per: time.Hour}
		}), clock.Now)
		for i := range 10_000 {
			if _, ok := l.Take(b, "user:a"); !ok {
				t.Fatalf("%s: request %d was refused", b, i)
			}
			clock.Add(time.Second)
		}
	}
}

// TestLimiterModel: in any run of takes and pauses, no window of the period holds more than twice the budget, which
// is the bound of this algorithm, and nobody who has rested for a period is refused.
func TestLimiterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := server.Rate{Count: rapid.IntRange(1, 20).Draw(t, "count"), Per: 20 * time.Second}
		clock := newFakeClock()
		l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) { c.Register = rate }), clock.Now)
		var taken []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			clock.Add(time.Duration(rapid.IntRange(0, 25_000).Draw(t, "pause")) * time.Millisecond / 4)
			now := clock.Now()
			rested := len(taken) == 0 || now.Sub(taken[len(taken)-1]) >= rate.Per
			retry, ok := l.Take(social.BudgetRegister, "k")
			if rested && !ok {
				t.Fatalf("refused after a rest of a whole period")
			}
			if ok {
				taken = append(taken, now)
			} else if retry <= 0 || retry > rate.Per {
				t.Fatalf("retry after %v", retry)
			}
			inWindow := 0
			for _, at := range taken {
				if now.Sub(at) < rate.Per {
					inWindow++
				}
			}
			if inWindow > 2*rate.Count {
				t.Fatalf("%d of %v in one period", inWindow, rate)
			}
		}
	})
}

// Beyond its bound the limiter forgets who asked longest ago, and nobody else.
func TestLimiterForgets(t *testing.T) {
	clock := newFakeClock()
	l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) {
		c.Write, c.Keys = server.Rate{Count: 1,
			Per: time.Hour}, 1000
	}), clock.Now)
	for i := range 1000 {
		l.Take(social.BudgetWrite, fmt.Sprint(i))
	}
	l.Take(social.BudgetWrite, "0")    // used again: now 1 is the one used longest ago
	l.Take(social.BudgetWrite, "1000") // one too many
	for _, key := range []string{"1000", "999", "2", "0"} {
		if _, ok := l.Take(social.BudgetWrite, key); ok {
			t.Errorf("key %s was forgotten", key)
		}
	}
	if _, ok := l.Take(social.BudgetWrite, "1"); !ok {
		t.Error("the key used longest ago is still kept: there is no bound")
	}
}

// What costs several units is spent whole or not at all, and a refusal names its budget.
func TestLimiterSpends(t *testing.T) {
	clock := newFakeClock()
	l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) { c.Mentions = server.Rate{Count: 60, Per: time.Hour} }),
		clock.Now)
	spend := func(n int, retry time.Duration) {
		t.Helper()
		err := l.Spend(social.BudgetMentions, "user:a", n)
		var f *social.Fault
		if errors.As(err, &f); f == nil && retry > 0 || f != nil && f.RetryAfter != retry {
			t.Fatalf("spending %d: %+v, want a retry in %v", n, f, retry)
		}
		if f == nil {
			return
		}
		got := map[string]string{}
		f.Limit(func(name, value string) { got[name] = value })
		if f.Code != social.CodeRateLimited || got["RateLimit-Policy"] != `"mentions";q=60;w=3600` ||
			got["RateLimit"] != `"mentions";r=10;t=3000` {
			t.Errorf("refused with %s and %v", f.Code, got)
		}
	}
	spend(0, 0)
	spend(50, 0)
	spend(11, time.Minute)
	spend(50, 40*time.Minute)
	spend(10, 0)
	clock.Add(time.Hour)
	spend(1000, 0) // more than there can be is all there is
	if l.Spend(social.BudgetMentions, "user:a", 1) == nil || l.Spend(social.BudgetMentions, "user:b", 1) != nil {
		t.Error("after everything was spent one was left, or another person's was gone")
	}
}

func TestLimitHeaders(t *testing.T) {
	s := newSite(t)
	a := s.do("POST", "/v1/who/read", "", "Cookie", "__Host-belfry=good")
	if got := a.Header.Get("RateLimit-Policy"); got != `"write";q=120;w=60` {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	if got := a.Header.Get("RateLimit"); got != `"write";r=119;t=1` {
		t.Errorf("RateLimit: %s", got)
	}
	for range 119 {
		s.do("POST", "/v1/who/read", "", "Cookie", "__Host-belfry=good")
	}
	a = s.do("POST", "/v1/who/read", "", "Cookie", "__Host-belfry=good")
	p := s.wantProblem(a, 429, social.CodeRateLimited)
	if a.Header.Get("Retry-After") != "1" || p.RetryAfter == nil || *p.RetryAfter != 1 {
		t.Errorf("Retry-After: %q, problem %v", a.Header.Get("Retry-After"), p.RetryAfter)
	}
	if got := a.Header.Get("RateLimit"); got != `"write";r=0;t=60` {
		t.Errorf("RateLimit: %s", got)
	}
	// The same person by token shares the budget; the reads are another; a service token has its own.
	if a := s.do("GET", "/v1/who/read", "", "Authorization", "Bearer bf_reader"); a.StatusCode != 200 ||
		!strings.HasPrefix(a.Header.Get("RateLimit"), `"read";r=599`) {
		t.Errorf("reads: got %d, %s", a.StatusCode, a.Header.Get("RateLimit"))
	}
	if a := s.do("POST", "/v1/who/notify", "", "Authorization", "Bearer bf_service"); a.StatusCode != 200 ||
		a.Header.Get("RateLimit-Policy") != `"service";q=600;w=1` {
		t.Errorf("service: got %d, %s", a.StatusCode, a.Header.Get("RateLimit-Policy"))
	}
	// The stream's budget is the channel's to spend: a browser would give up for good on a 429.
	if a := s.do("GET", "/v1/events", "", "Accept", "text/event-stream", "Cookie",
		"__Host-belfry=good"); a.Header.Get("RateLimit") != "" {
		t.Errorf("a stream spent %s", a.Header.Get("RateLimit"))
	}
	if a := s.do("GET", "/v1/events", "", "Cookie", "__Host-belfry=good"); !strings.HasPrefix(a.Header.Get("RateLimit"),
		`"read"`) {
		t.Errorf("a poll spent %s", a.Header.Get("RateLimit"))
	}
}

// Guessing credentials spends the guesser's address.
func TestRefusedCredentialsAreCounted(t *testing.T) {
	s := newSite(t, func(_ *server.Config, l *server.LimitsConfig) {
		l.Read = server.Rate{Count: 5,
			Per: 5 * time.Second}
	})
	for range 5 {
		s.wantProblem(s.do("GET", "/v1/who/read", "", "Authorization", "Bearer bf_guess"), 401, social.CodeInvalidToken)
	}
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Authorization", "Bearer bf_guess"), 429, social.CodeRateLimited)
	if a := s.do("GET", "/v1/who/read", "", "Authorization", "Bearer bf_reader"); a.StatusCode != 200 {
		t.Errorf("the right token from that address: got %d", a.StatusCode)
	}
}

func TestLimitsOff(t *testing.T) {
	s := newSite(t, func(_ *server.Config, l *server.LimitsConfig) { l.Enabled = false })
	for range 700 {
		if a := s.do("POST", "/v1/who/none", ""); a.StatusCode != 200 || a.Header.Get("RateLimit") != "" {
			t.Fatalf("got %d, RateLimit %q", a.StatusCode, a.Header.Get("RateLimit"))
		}
	}
}

func TestRateText(t *testing.T) {
	for text, want := range map[string]server.Rate{
		"600/1m": {Count: 600, Per: time.Minute}, "10/15m": {Count: 10, Per: 15 * time.Minute}, "10/1h": {Count: 10,
			Per: time.Hour},
		"600/1s": {Count: 600, Per: time.Second}, "3/1h30m": {Count: 3, Per: 90 * time.Minute}, "1/1m30s": {Count: 1,
			Per: 90 * time.Second},
	} {
		var r server.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != text {
			t.Errorf("%s: got %v %v, written %s", text, r, err, r)
		}
	}
	for _, text := range []string{"", "600", "0/1m", "-1/1m", "600/0s", "600/-1m", "600/minute", "a/1m", "600/60",
		"2000000000/1s", "1000001/1s", "1/721h", "9223372036854775807/1ns", "1/2562047h47m16s"} {
		if err := new(server.Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as a rate", text)
		}
	}
}

// FuzzRate: whatever is read as a rate is written in a form that reads as the same, and can be counted with.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"600/1m", "2000000000/1s", "1/720h", "1000000/1s", "1/1us",
		"9223372036854775807/1h", "/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again server.Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Fatalf("%q is read as %v and written %s: %v", text, r, r, err)
		}
		clock := newFakeClock()
		l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) {
			c.Write, c.LoginAddress, c.LoginStrangers = r, r, r
		}), clock.Now)
		for _, b := range []social.Budget{social.BudgetWrite, social.BudgetLoginAddress} {
			for range min(r.Count, 100) {
				if _, ok := l.Take(b, "2001:db8::/64"); !ok {
					t.Fatalf("%v: refused within the budget", r)
				}
			}
			if retry, ok := l.Take(b, "2001:db8::/64"); r.Count <= 100 && (ok || retry <= 0 || retry > r.Per) {
				t.Fatalf("%v: one too many is allowed (%v), to come back after %v", r, ok, retry)
			}
		}
		for range 100 {
			if _, retry, ok := l.Guess("alice", true); !ok {
				if retry <= 0 || retry > r.Per {
					t.Fatalf("%v: come back after %v", r, retry)
				}
				clock.Add(retry)
			}
		}
	})
}
