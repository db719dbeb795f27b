package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

// TestOthersDoNotFlushLogins: what was spent on logins and registrations is not forgotten before its time, however many
// new keys come behind it, of requests or of logins.
func TestOthersDoNotFlushLogins(t *testing.T) {
	l := server.NewLimiter(limitsWith(func(c *server.LimitsConfig) { c.Keys, c.LoginKeys = 1000, 1000 }),
		newFakeClock().Now)
	for range 10 {
		l.Take(social.BudgetRegister, "192.0.2.1")
		l.Take(social.BudgetLoginAccount, "alice 192.0.2.1")
	}
	for range 12 {
		l.Guess("alice", true)
	}
	l.Guess("alice", true) // and from now on it waits
	for i := range 20_000 {
		l.Take(social.BudgetRead, fmt.Sprint("address:", i))
		l.Take(social.BudgetRegister, fmt.Sprint(i))
		l.Guess(fmt.Sprint(i), false)
	}
	for _, b := range []struct {
		budget social.Budget
		key    string
	}{{social.BudgetRegister, "192.0.2.1"}, {social.BudgetLoginAccount, "alice 192.0.2.1"}} {
		if _, ok := l.Take(b.budget, b.key); ok {
			t.Errorf("%s of %s was forgotten", b.budget, b.key)
		}
	}
	if _, _, ok := l.Guess("alice", true); ok {
		t.Error("the guesses at alice were forgotten")
	}
	if _, _, ok := l.Guess("bob", true); !ok {
		t.Error("names that nobody has hold up an account")
	}
}

// TestManyKeysAreToldApart: as many keys as there are counters in a row do not stand in each other's way.
func TestManyKeysAreToldApart(t *testing.T) {
	l := server.NewLimiter(server.DefaultLimitsConfig(), newFakeClock().Now)
	for i := range 20_000 { // what 220 logins a second leave behind
		for range 3 {
			l.Take(social.BudgetLoginAccount, fmt.Sprint("user", i))
		}
	}
	refused := 0
	for i := range 1000 {
		for range 4 {
			if _, ok := l.Take(social.BudgetLoginAccount, fmt.Sprint("other", i)); !ok {
				refused++
			}
		}
	}
	if refused > 0 {
		t.Errorf("%d of 4000 attempts were refused for others'", refused)
	}
}

// TestWiderNetworks: a /48 has the attempts of four /64s, a /56 of two, and IPv4 addresses one each.
func TestWiderNetworks(t *testing.T) {
	for name, tt := range map[string]struct {
		key  func(i int) string
		want int
	}{
		"/64s of a /56":  {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::/64", i) }, 200},
		"/64s of a /48":  {func(i int) string { return fmt.Sprintf("2001:db8:0:%x00::/64", i) }, 400},
		"/48s":           {func(i int) string { return fmt.Sprintf("2001:db8:%x::/64", i) }, 4000},
		"IPv4 addresses": {func(i int) string { return fmt.Sprint("192.0.2.", i) }, 4000},
	} {
		l := server.NewLimiter(server.DefaultLimitsConfig(), newFakeClock().Now)
		taken := 0
		for i := range 40 {
			for range 110 {
				if _, ok := l.Take(social.BudgetLoginAddress, tt.key(i)); ok {
					taken++
				}
			}
		}
		if taken != tt.want {
			t.Errorf("40 %s take %d logins, want %d", name, taken, tt.want)
		}
	}
}

// TestGuessesWait longer each time, up to the time in which one is forgotten; the right password takes its guess back.
func TestGuessesWait(t *testing.T) {
	clock := newFakeClock()
	l := server.NewLimiter(server.DefaultLimitsConfig(), clock.Now)
	began, guesses := clock.Now(), 0
	for clock.Now().Sub(began) < 24*time.Hour {
		_, retry, ok := l.Guess("alice", true)
		if ok {
			guesses++
			continue
		}
		if _, again, ok := l.Guess("alice", true); ok || again != retry {
			t.Fatalf("a refused guess changes the wait from %v to %v", retry, again)
		}
		clock.Add(retry)
	}
	if guesses < 96 || guesses > 130 {
		t.Errorf("%d guesses a day, want the free ones, some at first, and 96", guesses)
	}
	if _, _, ok := l.Guess("bob", true); !ok {
		t.Error("another account waits too")
	}
	for i := range 100 {
		right, _, ok := l.Guess("carol", true)
		if !ok {
			t.Fatalf("login %d with the right password waits", i)
		}
		right()
	}
}
