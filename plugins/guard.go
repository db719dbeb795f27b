package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// ErrBusyAddress is what a guarded dial returns when there are enough connections to the address that a name leads to.
// A sender returns it as it is, or wrapped: the host tries again later and does not count an attempt.
var ErrBusyAddress = errors.New("enough connections to this address")

// Guard is the one way out for every connection of a channel. It refuses addresses that are not public, and bounds how
// many connections there are to one address, whatever names lead to it (IPv6: to one /64). Those of attempts in the
// slow lane hold half of them at most. It remembers only what is open. Safe for concurrent use.
type Guard struct {
	Resolver *net.Resolver // nil = the system's

	most int
	mu   sync.Mutex
	open map[netip.Prefix]connections
}

type connections struct{ all, slow int }

// NewGuard makes a guard for at most so many connections to one address.
func NewGuard(most int) *Guard { return &Guard{most: most, open: map[netip.Prefix]connections{}} }

// nameTime is the least that a dial to a name takes which leads nowhere, or to an address that is not public: how long
// it took tells nobody which of the two it was.
const nameTime = time.Second

type slowLane struct{}

// InSlowLane marks the context of an attempt in the slow lane. It is how the dial knows, as a channel passes nothing
// else on to it.
func InSlowLane(ctx context.Context) context.Context { return context.WithValue(ctx, slowLane{}, true) }

// Dial returns a dial function that refuses, with ErrBlockedAddress, every address that is not public, and names that
// are known to lead to none. The check is on the address that was resolved, at the moment of the connect, so that a
// name that changes between two look-ups gains nothing. allowPrivate lets private addresses through.
func (g *Guard) Dial(allowPrivate bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" && network != "tcp4" && network != "tcp6" {
			return nil, fmt.Errorf("dial %s: %w", network, ErrBlockedAddress)
		}
		if allowPrivate {
			return g.dial(ctx, network, address, true)
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return g.dial(ctx, network, address, false)
		}
		even := time.NewTimer(nameTime)
		defer even.Stop()
		if !PublicHost(host) {
			err = ErrBlockedAddress
		} else if conn, failed := g.dial(ctx, network, address, false); failed == nil {
			return conn, nil
		} else {
			err = failed
		}
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) || errors.Is(err, ErrBlockedAddress) {
			select {
			case <-even.C:
			case <-ctx.Done():
			}
		}
		return nil, err
	}
}

// dial connects, and gives back the places of all addresses it tried but the one it is connected to.
func (g *Guard) dial(ctx context.Context, network, address string, allowPrivate bool) (net.Conn, error) {
	slow := ctx.Value(slowLane{}) != nil
	var mu sync.Mutex // tries of IPv4 and IPv6 overlap
	tried := map[netip.Prefix]int{}
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: g.Resolver}
	d.Control = func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !allowPrivate && !PublicAddress(ap.Addr()) {
			return ErrBlockedAddress
		}
		at := place(ap.Addr())
		if !g.take(at, slow) {
			return ErrBusyAddress
		}
		mu.Lock()
		defer mu.Unlock()
		tried[at]++
		return nil
	}
	conn, err := d.DialContext(ctx, network, address)
	mu.Lock()
	defer mu.Unlock()
	var kept netip.Prefix
	if err == nil {
		if ap, failed := netip.ParseAddrPort(conn.RemoteAddr().String()); failed == nil {
			kept = place(ap.Addr())
			tried[kept]--
		}
	}
	for at, n := range tried {
		for range n {
			g.give(at, slow)
		}
	}
	if err != nil {
		return nil, err
	}
	return &counted{Conn: conn, closed: sync.OnceFunc(func() { g.give(kept, slow) })}, nil
}

// place is what is counted as one address: a network of IPv6 that one subscriber has (/64), or an address of IPv4.
func place(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() && !a.IsLoopback() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // bits fit
	return p
}

func (g *Guard) take(at netip.Prefix, slow bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.open[at]
	if n.all >= g.most || slow && n.slow >= max(1, g.most/2) {
		return false
	}
	g.open[at] = n.add(slow, 1)
	return true
}

func (g *Guard) give(at netip.Prefix, slow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[at] = g.open[at].add(slow, -1); g.open[at].all == 0 {
		delete(g.open, at)
	}
}

func (c connections) add(slow bool, n int) connections {
	c.all += n
	if slow {
		c.slow += n
	}
	return c
}

// counted is a connection whose end gives its place back.
type counted struct {
	net.Conn
	closed func()
}

func (c *counted) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
