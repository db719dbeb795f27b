package server

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// doors counts what is spent on getting in, logins and registrations, apart from everything else. Its size is fixed
// and nothing makes it forget: keys share cells, and a key is never counted lower than it has spent. A flood of new
// keys counts others higher, which takes several times as many as there are cells in a row. Safe for concurrent use.
type doors struct {
	seed     maphash.Seed // nobody can choose whose cells to share
	width    int
	per56    int // the budgets of an address that its /56 has
	per48    int
	strange  Rate
	began    time.Time
	mu       sync.Mutex
	spent    sketch
	accounts growing // guesses at accounts that are there
	names    growing // and at those that are not, which are anybody's to invent
}

// growing are guesses and the wait that grows with them.
type growing struct{ spent, next sketch }

func newDoors(cfg LimitsConfig, now time.Time) *doors {
	fresh := func() sketch { return make(sketch, sketchRows*cfg.LoginKeys) }
	return &doors{seed: maphash.MakeSeed(), width: cfg.LoginKeys, per56: cfg.Wide56, per48: cfg.Wide48,
		strange: cfg.LoginStrangers, began: now, spent: fresh(), accounts: growing{fresh(), fresh()},
		names: growing{fresh(), fresh()}}
}

// take spends one of a budget. An IPv6 address spends of its wider networks as well, of which a guesser has many.
func (d *doors) take(b social.Budget, key string, rate Rate, at time.Time) spending {
	got := d.takeOne(b, key, rate, at)
	p, err := netip.ParsePrefix(key)
	if err != nil || p.Bits() != 64 || p.Addr().Is4() {
		return got
	}
	for _, wide := range []struct{ bits, times int }{{56, d.per56}, {48, d.per48}} {
		if got.ok {
			network := netip.PrefixFrom(p.Addr(), wide.bits).Masked().String()
			got = d.takeOne(b, network, rate.times(wide.times), at)
		}
	}
	return got
}

func (d *doors) takeOne(b social.Budget, key string, rate Rate, at time.Time) spending {
	now, step, cells := at.Sub(d.began), rate.interval(), d.cells(string(b)+" "+key)
	d.mu.Lock()
	defer d.mu.Unlock()
	full := max(d.spent.low(cells), now)
	if over := full + step - now - rate.Per; over > 0 {
		return spending{retry: over, rate: rate, resetIn: full - now}
	}
	d.spent.raise(cells, full+step)
	return spending{ok: true, rate: rate, left: int((rate.Per + now - full - step) / step), resetIn: full + step - now}
}

// firstWait is what the first guess beyond the free ones waits for; each further one waits twice as long.
const firstWait = time.Second

// guess is Limiter.Guess.
func (d *doors) guess(account string, exists bool, at time.Time) (right func(), retry time.Duration, ok bool) {
	now, step, cells, g := at.Sub(d.began), d.strange.interval(), d.cells(account), &d.names
	if exists {
		g = &d.accounts
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := g.next.low(cells) - now; wait > 0 {
		return nil, wait, false
	}
	full := max(g.spent.low(cells), now) + step
	var wait time.Duration
	if over := int((full-now+step-1)/step) - d.strange.Count; over > 0 {
		wait = min(step, firstWait<<min(over-1, 30))
	}
	spent, next := g.spent.raise(cells, full), g.next.raise(cells, now+wait)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		g.spent.lower(cells, full, spent)
		g.next.lower(cells, now+wait, next)
	}, 0, true
}

// cells are a key's.
func (d *doors) cells(key string) (cells [sketchRows]int) {
	h := maphash.String(d.seed, key)
	for row := range cells {
		hi, _ := bits.Mul64(h, uint64(d.width)) //nolint:gosec // a length; even over the row
		cells[row] = row*d.width + int(hi)      //nolint:gosec // below width
		h = (h ^ h>>31) * 0x9e3779b97f4a7c15
	}
	return cells
}

// sketchRows is in how many places a key is counted; the lowest counts. Two keys that meet in one place are still told
// apart by the others.
const sketchRows = 4

// sketch keeps a moment for each key, or a later one (a count-min sketch with conservative update: Estan, Varghese
// 2002).
type sketch []time.Duration

func (s sketch) low(cells [sketchRows]int) time.Duration {
	low := s[cells[0]]
	for _, i := range cells[1:] {
		low = min(low, s[i])
	}
	return low
}

func (s sketch) raise(cells [sketchRows]int, to time.Duration) (was [sketchRows]time.Duration) {
	for row, i := range cells {
		was[row] = s[i]
		s[i] = max(s[i], to)
	}
	return was
}

// lower undoes a raise, where nobody has raised further.
func (s sketch) lower(cells [sketchRows]int, from time.Duration, was [sketchRows]time.Duration) {
	for row, i := range cells {
		if s[i] == from {
			s[i] = was[row]
		}
	}
}
