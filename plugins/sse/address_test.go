package sse

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  int
		take   []string
		giveAt int // -1 = none: which take is given back before the last one
		want   bool
	}{
		{"below the cap", 2, []string{"8.8.8.8", "8.8.8.8"}, -1, true},
		{"at the cap", 2, []string{"8.8.8.8", "8.8.8.8", "8.8.8.8"}, -1, false},
		{"at the cap after one left", 2, []string{"8.8.8.8", "8.8.8.8", "8.8.8.8"}, 0, true},
		{"another address", 1, []string{"8.8.8.8", "8.8.4.4"}, -1, true},
		{"the same address in IPv6", 1, []string{"8.8.8.8", "::ffff:8.8.8.8"}, -1, false},
		{"the same /64", 1, []string{"2a00:1450:4001:80e::1", "2a00:1450:4001:80e:ffff::2"}, -1, false},
		{"another /64", 1, []string{"2a00:1450:4001:80e::1", "2a00:1450:4001:80f::1"}, -1, true},
		{"this machine", 1, []string{"127.0.0.1", "127.0.0.1", "127.0.0.1"}, -1, true},
		{"this machine, IPv6", 1, []string{"::1", "::1"}, -1, true},
		{"a private network", 1, []string{"10.0.0.7", "10.0.0.7"}, -1, true},
		{"no address", 1, []string{"", ""}, -1, true},
		{"no cap", 0, []string{"8.8.8.8", "8.8.8.8"}, -1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAddresses(tt.limit)
			var held []func()
			for i, address := range tt.take {
				if i == len(tt.take)-1 && tt.giveAt >= 0 {
					held[tt.giveAt]()
					held[tt.giveAt] = nil
				}
				release, ok := a.take(address)
				if want := tt.want || i < len(tt.take)-1; ok != want {
					t.Fatalf("take %d of %s: %v, want %v", i, address, ok, want)
				}
				held = append(held, release)
			}
			for _, release := range held {
				if release != nil {
					release()
				}
			}
			if len(a.open) != 0 {
				t.Errorf("still counted: %v", a.open)
			}
		})
	}
}

// TestTooManyOfOneAddress: the stream over the cap is told to come back later, with status 200; a place that is
// given back is free again, and a refusal by the total cap counts nothing.
func TestTooManyOfOneAddress(t *testing.T) {
	cfg := defaults
	cfg.MaxStreamsPerAddress = 2
	inBubble(t, cfg, func(t *testing.T, e *engine) {
		open := func(address string) *pipe {
			e.pipes.last = nil
			e.take(refusable{t: t}, request{actor: social.Actor{UserID: id(1)}, query: plugins.EventsQuery{}, address: address})
			synctest.Wait()
			return e.pipes.last
		}
		first, second := open("8.8.8.8"), open("8.8.8.8")
		if first == nil || second == nil {
			t.Fatal("refused below the cap")
		}
		if open("8.8.8.8") != nil {
			t.Error("a third stream of the address was opened")
		}
		if open("8.8.4.4") == nil || open("127.0.0.1") == nil {
			t.Error("another address was refused")
		}
		first.leave()
		synctest.Wait()
		if open("8.8.8.8") == nil {
			t.Error("the place of one who left was not given back")
		}
		second.leave()
		synctest.Wait()
		seats := e.env.Connections.(*seats)
		seats.mu.Lock()
		seats.total = 0
		seats.mu.Unlock()
		for range 3 {
			if open("8.8.8.8") != nil {
				t.Fatal("opened over the total cap")
			}
		}
		seats.mu.Lock()
		seats.total = 1 << 20
		seats.mu.Unlock()
		if open("8.8.8.8") == nil {
			t.Error("streams that were refused are counted")
		}
	})
}

// refusable is a connection that takes a refusal and checks it.
type refusable struct {
	net.Conn
	t *testing.T
}

func (refusable) Close() error { return nil }

func (r refusable) Write(b []byte) (int, error) {
	if text := string(b); !strings.HasPrefix(text, "HTTP/1.1 200 ") || !strings.Contains(text, `"reason":"overload"`) ||
		!strings.Contains(text, "\nretry: ") {
		r.t.Errorf("refused with %q", text)
	}
	return len(b), nil
}
