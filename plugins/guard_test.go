package plugins_test

import (
	"errors"
	"net"
	"testing"

	"github.com/belfry-social/belfry/plugins"
)

// TestGuardBoundsConnectionsToOneAddress: whatever names lead to it, an address has so many connections at most, of
// which attempts in the slow lane hold half; the end of one makes room for another.
func TestGuardBoundsConnectionsToOneAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := plugins.NewGuard(8).Dial(true)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	slow := plugins.InSlowLane(t.Context())
	var held []net.Conn
	for i := range 5 {
		c, err := dial(slow, "tcp", "127.0.0.1:"+port)
		if err != nil {
			if i != 4 || !errors.Is(err, plugins.ErrBusyAddress) {
				t.Fatalf("slow connection %d: %v", i+1, err)
			}
			continue
		}
		held = append(held, c)
	}
	for i := range 5 {
		c, err := dial(t.Context(), "tcp4", "localhost:"+port)
		if err != nil {
			if i != 4 || !errors.Is(err, plugins.ErrBusyAddress) {
				t.Fatalf("connection %d: %v", len(held)+1, err)
			}
			continue
		}
		held = append(held, c)
	}
	if len(held) != 8 {
		t.Fatalf("%d connections, want 8", len(held))
	}
	held[0].Close()
	held[0].Close() // gives one place back, not two
	if held[0], err = dial(slow, "tcp", "127.0.0.1:"+port); err != nil {
		t.Errorf("a place was given back: %v", err)
	}
	if _, err := dial(slow, "tcp", "127.0.0.1:"+port); !errors.Is(err, plugins.ErrBusyAddress) {
		t.Errorf("one more: %v", err)
	}
	for _, c := range held {
		c.Close()
	}
	l.Close() // nobody answers: what was tried gives its place back
	for range 9 {
		if _, err := dial(t.Context(), "tcp", "127.0.0.1:"+port); err == nil || errors.Is(err, plugins.ErrBusyAddress) {
			t.Fatalf("nobody listens: %v", err)
		}
	}
}
