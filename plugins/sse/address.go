package sse

import (
	"net/netip"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// addresses counts the open streams of each public client address, IPv6 by /64. Behind any other stands, as a rule, a
// proxy that is not in server.trusted_proxies: a cap on it would be one on everybody. Safe for concurrent use.
type addresses struct {
	limit int // 0 = none

	mu   sync.Mutex
	open map[string]int32
}

func newAddresses(limit int) *addresses { return &addresses{limit: limit, open: map[string]int32{}} }

// take counts one more stream of an address; false = it has as many as it may. leave, which is nil when nothing
// was counted, gives the place back and has to be called once.
func (a *addresses) take(address string) (leave func(), ok bool) {
	ip, err := netip.ParseAddr(address)
	if a.limit == 0 || err != nil || !plugins.PublicAddress(ip) {
		return nil, true
	}
	key := social.AddressKey(address)
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(a.open[key]) >= a.limit {
		return nil, false
	}
	a.open[key]++
	return func() { a.leave(key) }, true
}

func (a *addresses) leave(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[key]--; a.open[key] == 0 {
		delete(a.open, key)
	}
}
