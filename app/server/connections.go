package server

import (
	"container/list"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// maxTurnedAway is how many connections beyond the places are kept for as long as it takes to tell them so.
const maxTurnedAway = 64

// connections are the open connections that no channel took over, each with a place. When places are short the one that
// has waited longest gives its up: between two requests, or while a request is slow to arrive. One on whose request the
// server works never does. Safe for concurrent use.
type connections struct {
	limit, share int            // places in all, and of one public address; 0 = no bound
	trusted      []netip.Prefix // proxies, who have no share
	displaced    func()         // is called for each that gave its place up

	mu      sync.Mutex
	seats   map[net.Conn]*seat
	crowds  map[string]*crowd
	waiting list.List // of *seat
	taken   int
	away    int
}

// seat is the place of one connection.
type seat struct {
	conn     *conn
	crowd    *crowd        // nil = has no share
	all, own *list.Element // in the lists of those who wait; nil = at work
	silent   bool          // no byte has arrived
	away     bool          // beyond the places
}

// crowd are the connections of one public address.
type crowd struct {
	key     string
	taken   int
	waiting list.List // of *seat
}

// admit gives a new connection a place, or one of those to be told that there is none. False = neither.
func (l *connections) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seats == nil {
		l.seats, l.crowds = map[net.Conn]*seat{}, map[string]*crowd{}
	}
	s := &seat{conn: c, silent: true, crowd: l.crowdOf(c)}
	room := true
	if s.crowd != nil && s.crowd.taken >= l.share {
		room = l.displace(&s.crowd.waiting)
	}
	if room && l.limit > 0 && l.taken >= l.limit {
		room = l.displace(&l.waiting)
	}
	if !room {
		if l.away >= maxTurnedAway {
			return false
		}
		l.away++
		s.away, s.crowd = true, nil
		l.seats[c] = s
		return true
	}
	l.seats[c] = s
	l.taken++
	if s.crowd != nil {
		s.crowd.taken++
		l.crowds[s.crowd.key] = s.crowd
	}
	l.wait(s)
	return true
}

// crowdOf is the crowd of a connection; nil for addresses that are not public, behind which a proxy may stand.
func (l *connections) crowdOf(c *conn) *crowd {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || l.share == 0 {
		return nil
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if !plugins.PublicAddress(ip) || slices.ContainsFunc(l.trusted, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	key := social.AddressKey(ip.String())
	if known := l.crowds[key]; known != nil {
		return known
	}
	return &crowd{key: key}
}

// makeRoom has one connection give its place up; false = all are at work.
func (l *connections) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.displace(&l.waiting)
}

func (l *connections) displace(from *list.List) bool {
	first := from.Front()
	if first == nil {
		return false
	}
	s := first.Value.(*seat)
	l.leave(s)
	s.conn.cut() // without an answer, which it did not ask for yet
	l.displaced()
	return true
}

func (l *connections) wait(s *seat) {
	if s.all != nil || s.away {
		return
	}
	s.all = l.waiting.PushBack(s)
	if s.crowd != nil {
		s.own = s.crowd.waiting.PushBack(s)
	}
}

func (l *connections) work(s *seat) {
	if s.all == nil {
		return
	}
	l.waiting.Remove(s.all)
	if s.own != nil {
		s.crowd.waiting.Remove(s.own)
	}
	s.all, s.own = nil, nil
}

// begin is called when a request has arrived whole. gone = its connection has lost its place, so nobody hears the
// answer; away = it never had one.
func (l *connections) begin(c net.Conn) (away, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.seats[c]
	if !known { // lost its place; or is served directly, in a test
		k, ours := c.(*conn)
		return false, ours && k.seated
	}
	l.work(s)
	return s.away, false
}

// note is fasthttp's ConnState.
func (l *connections) note(c net.Conn, state fasthttp.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.seats[c]
	switch state {
	case fasthttp.StateActive:
		if known {
			s.silent = false
		}
		if k, ok := c.(*conn); ok {
			k.unread.Store(false) // unless the request is refused
		}
	case fasthttp.StateIdle:
		if known {
			l.wait(s)
		}
	case fasthttp.StateHijacked, fasthttp.StateClosed:
		if known {
			l.leave(s)
		}
	}
}

// leave gives a place back.
func (l *connections) leave(s *seat) {
	l.work(s)
	delete(l.seats, s.conn)
	if s.away {
		l.away--
		return
	}
	l.taken--
	if s.crowd == nil {
		return
	}
	if s.crowd.taken--; s.crowd.taken == 0 {
		delete(l.crowds, s.crowd.key)
	}
}

// count is how many are open.
func (l *connections) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seats)
}

// close closes all connections, or the silent ones only: fasthttp counts those as busy and would wait for them at
// shutdown; browsers open them ahead of need.
func (l *connections) close(silentOnly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.seats {
		if (s.silent || !silentOnly) && !s.conn.lingers() {
			s.conn.cut()
		}
	}
}
