package server

import (
	"container/list"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// LimitsConfig is the section "limits": how much one person, service token or address may ask for. Limits are
// kept in memory, per node, and start anew with the process.
type LimitsConfig struct {
	Enabled      bool `yaml:"enabled"`        // switches all of them; off is for load tests
	Read         Rate `yaml:"read"`           // for GET and HEAD, polls included. Not below one a second
	Write        Rate `yaml:"write"`          // for every other method. Not below one a second
	Streams      Rate `yaml:"streams"`        // for opening event streams. Not below one a second
	LoginAccount Rate `yaml:"login_account"`  // for logins of one account from one address, right or wrong
	LoginAddress Rate `yaml:"login_address"`  // for logins from one address
	Register     Rate `yaml:"register"`       // for new accounts from one address
	Service      Rate `yaml:"service"`        // for everything one service token asks
	EndpointTest Rate `yaml:"endpoint_tests"` // for test sends to one's endpoints
	Mentions     Rate `yaml:"mentions"`       // for people whom one person names in posts and comments
	Search       Rate `yaml:"search"`         // for searches
	Media        Rate `yaml:"media"`          // for pictures that one person sends
	Pages        Rate `yaml:"pages"`          // for what has no other one, from one address. Not below one a second
	// LoginStrangers is for logins of one account from devices it does not know, over all addresses. Beyond it each
	// waits twice as long as the one before, a second at first, and at most for the time in which one comes back.
	LoginStrangers Rate `yaml:"login_strangers"`
	// A /56 or /48 of IPv6 has so many times the budgets login_address and register of an address.
	Wide56 int `yaml:"wide_56"`
	Wide48 int `yaml:"wide_48"`
	// LoginKeys is how many logins and registrations are told apart; of more, some share a counter.
	LoginKeys int `yaml:"login_keys"`
	// Keys bounds how many other counters are kept; beyond it the one used longest ago is forgotten.
	Keys int `yaml:"keys"`
}

func DefaultLimitsConfig() LimitsConfig {
	return LimitsConfig{
		Enabled:      true,
		Read:         Rate{600, time.Minute},
		Write:        Rate{120, time.Minute},
		Streams:      Rate{60, time.Minute},
		LoginAccount: Rate{10, 15 * time.Minute},
		LoginAddress: Rate{100, 15 * time.Minute},
		Register:     Rate{10, time.Hour},
		Service:      Rate{600, time.Second},
		Pages:        Rate{1200, time.Minute},
		EndpointTest: Rate{20, 10 * time.Minute},
		Mentions:     Rate{300, time.Hour},
		Search:       Rate{60, time.Minute},
		Media:        Rate{120, time.Hour},
		Keys:         100_000,

		LoginStrangers: Rate{12, 3 * time.Hour},
		Wide56:         2,
		Wide48:         4,
		LoginKeys:      32_768,
	}
}

func (c LimitsConfig) rates() map[social.Budget]Rate {
	return map[social.Budget]Rate{
		social.BudgetRead: c.Read, social.BudgetWrite: c.Write,
		social.BudgetStreams: c.Streams, social.BudgetLoginAccount: c.LoginAccount,
		social.BudgetLoginAddress: c.LoginAddress, social.BudgetRegister: c.Register, social.BudgetService: c.Service,
		social.BudgetPages:        c.Pages,
		social.BudgetEndpointTest: c.EndpointTest,
		social.BudgetMentions:     c.Mentions,
		social.BudgetSearch:       c.Search,
		social.BudgetMedia:        c.Media,
	}
}

// Validate checks that every rate is one and that one request a second is never limited.
func (c LimitsConfig) Validate() error {
	rates := c.rates()
	rates["login_strangers"] = c.LoginStrangers
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		if err := rates[name].check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range []social.Budget{social.BudgetRead, social.BudgetWrite, social.BudgetStreams,
		social.BudgetPages} {
		if c.rates()[name].interval() > time.Second {
			return fmt.Errorf("%s: must not be below 60/1m: one request a second is never limited", name)
		}
	}
	for _, n := range []struct {
		key              string
		value, low, high int
	}{
		{"keys", c.Keys, 1000, 1 << 24}, {"login_keys", c.LoginKeys, 1000, 1 << 24},
		{"wide_56", c.Wide56, 1, 1 << 8}, {"wide_48", c.Wide48, 1, 1 << 16},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("%s: must be %d to %d", n.key, n.low, n.high)
		}
	}
	return nil
}

// Limiter counts what is spent, by the generic cell rate algorithm: a key may spend its whole budget at once and
// gets it back evenly over the period. It keeps one moment for each key that spent lately, at most
// LimitsConfig.Keys of them. Safe for concurrent use.
type Limiter struct {
	clock social.Clock
	rates map[social.Budget]Rate // nil = everything is allowed
	keys  int
	doors *doors

	mu     sync.Mutex
	spent  map[limitKey]*list.Element
	recent *list.List // of *counter, the latest in front
}

var _ social.Limits = (*Limiter)(nil)

type limitKey struct {
	budget social.Budget
	key    string
}

type counter struct {
	limitKey
	full time.Time // when the whole budget will be back
}

// NewLimiter makes a limiter. With limits disabled it allows everything.
func NewLimiter(cfg LimitsConfig, clock social.Clock) *Limiter {
	l := &Limiter{clock: clock, keys: cfg.Keys, spent: map[limitKey]*list.Element{}, recent: list.New()}
	if cfg.Enabled {
		l.rates = cfg.rates()
		l.doors = newDoors(cfg, clock())
	}
	return l
}

// Take spends one of a key's budget. ok is false when nothing is left; retry tells then when the next unit is
// back. An unknown budget is not limited.
func (l *Limiter) Take(b social.Budget, key string) (retry time.Duration, ok bool) {
	s := l.take(b, key, 1)
	return s.retry, s.ok
}

// Guess counts one guess at the password of an account, or of a name that nobody has, from a device that the account
// does not know. Beyond limits.login_strangers ok is false until retry has passed, which grows with
// each guess. right has to be called if the password was the right one: it takes the guess back.
func (l *Limiter) Guess(account string, exists bool) (right func(), retry time.Duration, ok bool) {
	if l.doors == nil {
		return func() {}, 0, true
	}
	return l.doors.guess(account, exists, l.clock())
}

// Spend spends so many of a key's budget at once, or none: then it gives the fault "rate_limited", which says of which
// budget. What is more than the whole budget takes the whole budget.
func (l *Limiter) Spend(b social.Budget, key string, cost int) error {
	s := l.take(b, key, cost)
	if s.ok {
		return nil
	}
	return &social.Fault{Code: social.CodeRateLimited, Detail: "Too many in too short a time. Try again later.",
		RetryAfter: s.retry, Limit: func(set func(name, value string)) { s.headers(b, set) }}
}

// headers says in headers what is left of a budget.
func (s spending) headers(b social.Budget, set func(name, value string)) {
	set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", b, s.rate.Count, retrySeconds(s.rate.Per)))
	set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", b, s.left, ceilSeconds(s.resetIn)))
}

// spending is the state of one budget after a Take.
type spending struct {
	ok      bool
	retry   time.Duration // until what was asked for is back; 0 when ok
	rate    Rate          // zero = not limited
	left    int
	resetIn time.Duration // until the whole budget is back
}

func (l *Limiter) take(b social.Budget, key string, cost int) spending {
	rate, limited := l.rates[b]
	if !limited || cost == 0 {
		return spending{ok: true}
	}
	now, step := l.clock(), rate.interval()
	switch b {
	case social.BudgetLoginAccount, social.BudgetLoginAddress, social.BudgetRegister:
		return l.doors.take(b, key, rate, now)
	}
	whole := step * time.Duration(min(cost, rate.Count))
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counter(limitKey{b, key})
	full := c.full
	if full.Before(now) {
		full = now
	}
	left := func() int { return max(0, int((rate.Per-full.Sub(now))/step)) }
	if over := full.Add(whole).Sub(now) - rate.Per; over > 0 {
		return spending{retry: over, rate: rate, left: left(), resetIn: full.Sub(now)}
	}
	full = full.Add(whole)
	c.full = full
	return spending{ok: true, rate: rate, left: left(), resetIn: full.Sub(now)}
}

// counter finds or makes the counter of a key and marks it as used now.
func (l *Limiter) counter(k limitKey) *counter {
	if e, ok := l.spent[k]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*counter)
	}
	if l.recent.Len() >= l.keys {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.spent, oldest.Value.(*counter).limitKey)
	}
	c := &counter{limitKey: k}
	l.spent[k] = l.recent.PushFront(c)
	return c
}

// Rate is how much may be spent in how long, written "600/1m" in config.yaml. The zero Rate is not limited.
type Rate struct {
	Count int           // at least 1
	Per   time.Duration // more than 0
}

// errBadRate is returned for text that is not a rate.
var errBadRate = errors.New(`not a rate: write a number and a duration, as "120/1m"`)

func (r *Rate) UnmarshalText(b []byte) error {
	count, per, _ := strings.Cut(string(b), "/") // without a slash there is no duration
	n, errCount := strconv.Atoi(strings.TrimSpace(count))
	d, errPer := time.ParseDuration(strings.TrimSpace(per))
	if errCount != nil || errPer != nil {
		return errBadRate
	}
	given := Rate{Count: n, Per: d}
	if err := given.check(); err != nil {
		return err
	}
	*r = given
	return nil
}

// The bounds of a rate: the limiter counts in nanoseconds, and in 63 bits of them.
const (
	leastInterval = time.Microsecond
	mostPer       = 720 * time.Hour
)

func (r Rate) check() error {
	switch {
	case r.Count < 1 || r.Per <= 0:
		return errBadRate
	case r.Per > mostPer:
		return errors.New("must not be for more than 720h")
	case r.interval() < leastInterval:
		return errors.New("must not be above 1000000/1s; limits.enabled switches all limits off")
	}
	return nil
}

// times is so many times the rate, but no more than a rate can be.
func (r Rate) times(n int) Rate {
	return Rate{Count: int(min(int64(r.Count)*int64(n), int64(r.Per/leastInterval))), Per: r.Per}
}

func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the number, a slash and the duration without zero parts: "600/1m", "10/15m", "10/1h".
func (r Rate) String() string {
	per := r.Per.String()
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return strconv.Itoa(r.Count) + "/" + per
}

// interval is the time in which one unit comes back.
func (r Rate) interval() time.Duration { return r.Per / time.Duration(r.Count) }
