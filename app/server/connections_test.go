package server

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/valyala/fasthttp"
)

// peer is a connection from somewhere that remembers whether it was closed.
type peer struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (p *peer) RemoteAddr() net.Addr { return p.from }

func (p *peer) Close() error { p.closed = true; return nil }

// hall is connections with people from many addresses.
type hall struct {
	connections
	displacements int
}

func newHall(limit, share int) *hall {
	h := &hall{connections: connections{limit: limit, share: share,
		trusted: []netip.Prefix{netip.MustParsePrefix("8.8.8.8/32")}}}
	h.displaced = func() { h.displacements++ }
	return h
}

func (h *hall) enter(address string) (*conn, bool) {
	p := &peer{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 9))}
	c := &conn{Conn: p, socket: p, seated: true, lingering: &lingering{}}
	ok := h.admit(c)
	if ok {
		h.note(c, fasthttp.StateNew)
	}
	return c, ok
}

func (c *conn) isClosed() bool { return c.Conn.(*peer).closed }

// work brings a whole request on a connection.
func (h *hall) request(c *conn) (away, gone bool) {
	h.note(c, fasthttp.StateActive)
	return h.begin(c)
}

// TestAddressesHaveAShare of the connections; one more takes the place of its own, idle or slow. Proxies and addresses
// that are not public have none.
func TestAddressesHaveAShare(t *testing.T) {
	h := newHall(1000, 10)
	other, _ := h.enter("1.1.1.1")
	var first *conn
	for i := range 500 {
		c, _ := h.enter(fmt.Sprintf("2606:4700:0:1::%x", i+1)) // a /64
		h.note(c, fasthttp.StateActive)                        // a request has begun, and comes no further
		if first == nil {
			first = c
		}
	}
	if h.taken != 11 || h.displacements != 490 || !first.isClosed() || other.isClosed() {
		t.Errorf("%d places taken after %d displacements, the other is closed: %v", h.taken, h.displacements,
			other.isClosed())
	}
	if _, gone := h.request(first); !gone {
		t.Error("a request on a closed connection is worked on")
	}
	for _, free := range []string{"127.0.0.1", "192.168.1.2", "fd00::1", "8.8.8.8"} {
		for range 20 {
			if c, _ := h.enter(free); c.isClosed() {
				t.Errorf("%s has a share", free)
			}
		}
	}
	if h.taken != 91 || h.displacements != 490 {
		t.Errorf("%d places taken after %d displacements", h.taken, h.displacements)
	}
}

// TestIdleConnectionsMakeRoom, who has waited longest first, and those at work never. Who finds no place is told so, as
// long as not too many are being told.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	h := newHall(3, 0)
	a, _ := h.enter("127.0.0.1")
	b, _ := h.enter("127.0.0.2")
	c, _ := h.enter("127.0.0.3")
	h.request(a)
	h.note(a, fasthttp.StateIdle) // now b has waited longest
	h.request(c)
	d, _ := h.enter("127.0.0.4")
	if a.isClosed() || !b.isClosed() || c.isClosed() {
		t.Errorf("closed: %v %v %v, want the second alone", a.isClosed(), b.isClosed(), c.isClosed())
	}
	h.request(a)
	h.request(d)
	for i := range maxTurnedAway {
		e, ok := h.enter("127.0.0.5")
		if away, gone := h.request(e); !ok || !away || gone {
			t.Fatalf("number %d beyond the places: %v, to be told %v, gone %v", i, ok, away, gone)
		}
		h.note(e, fasthttp.StateIdle)
		if i%2 == 0 {
			h.note(e, fasthttp.StateClosed)
			if f, ok := h.enter("127.0.0.5"); !ok {
				t.Fatal("who was told leaves no room")
			} else {
				h.request(f)
			}
		}
	}
	if _, ok := h.enter("127.0.0.6"); ok || h.makeRoom() {
		t.Error("room beyond all bounds, or somebody at work made it")
	}
	if a.isClosed() || c.isClosed() || d.isClosed() {
		t.Error("somebody at work was closed")
	}
	h.note(c, fasthttp.StateHijacked) // a stream is the channel's
	f, ok := h.enter("127.0.0.7")
	if away, _ := h.request(f); !ok || away {
		t.Error("no place, though one is free")
	}
	for c := range h.seats {
		h.note(c, fasthttp.StateClosed)
	}
	if h.taken != 0 || h.away != 0 || len(h.crowds) != 0 || h.waiting.Len() != 0 || h.count() != 0 {
		t.Errorf("left over: %+v", &h.connections)
	}
}

// A crowd that is gone leaves nothing behind.
func TestCrowdsEnd(t *testing.T) {
	h := newHall(100, 5)
	for range 3 {
		var all []*conn
		for i := range 50 {
			c, _ := h.enter(fmt.Sprintf("9.9.9.%d", i%10))
			all = append(all, c)
		}
		if len(h.crowds) != 10 || h.taken != 50 {
			t.Fatalf("%d crowds, %d places", len(h.crowds), h.taken)
		}
		for _, c := range all {
			h.note(c, fasthttp.StateClosed)
		}
		if len(h.crowds) != 0 || h.taken != 0 {
			t.Fatalf("%d crowds, %d places are left", len(h.crowds), h.taken)
		}
	}
}
