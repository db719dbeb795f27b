package users

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// TestTurnsAreFair: of many who wait, one from another network has the next turn or the one after, and a known device
// does not wait for many networks of strangers.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		if err := s.take(t.Context(), turn{}, time.Hour); err != nil {
			t.Fatal(err)
		}
		var order []string
		wait := func(name, address string, known bool) {
			go func() {
				if s.take(t.Context(), turnOf(address, known), time.Hour) == nil {
					order = append(order, name)
					s.give()
				}
			}()
			synctest.Wait()
		}
		for i := range 100 { // rotating /64s of one /48
			wait("flood", fmt.Sprintf("2001:db8:1:%x::1", i), false)
		}
		wait("other /48", "2001:db8:2::1", false)
		wait("IPv4", "192.0.2.1", false)
		for i := range 50 {
			wait("crowd", fmt.Sprintf("2001:db8:%x::1", 100+i), false)
		}
		wait("known", "2001:db8:1:7::1", true)
		s.give()
		synctest.Wait()
		for name, latest := range map[string]int{"known": 2, "other /48": 4, "IPv4": 5} {
			if at := slices.Index(order, name); at < 0 || at >= latest {
				t.Errorf("%s has turn %d, want one of the first %d: %v", name, at+1, latest, order[:10])
			}
		}
		if len(order) != 153 || s.free != 1 || s.waiting != 0 {
			t.Errorf("%d had a turn, %d slots free, %d wait", len(order), s.free, s.waiting)
		}
	})
}

// TestTurnsAreBounded: a network has so many who wait and no more, and who leaves makes room.
func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		_ = s.take(t.Context(), turn{}, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		for range maxGroupWaits {
			go s.take(ctx, turnOf("192.0.2.1", false), time.Hour)
		}
		synctest.Wait()
		var f *social.Fault
		if err := s.take(t.Context(), turnOf("192.0.2.99", false), time.Hour); !errors.As(err, &f) ||
			f.Code != social.CodeOverloaded {
			t.Errorf("one too many: %v", err)
		}
		got := make(chan error, 1)
		go func() { got <- s.take(t.Context(), turnOf("198.51.100.1", false), time.Hour) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if s.waiting != 1 || s.refused != 1 {
			t.Errorf("%d wait and %d were refused, want one each", s.waiting, s.refused)
		}
		s.give()
		if err := <-got; err != nil {
			t.Errorf("the other network: %v", err)
		}
		s.give()
		if s.free != 1 || len(s.lanes[0].groups) != 0 || s.lanes[0].order.Len() != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}
