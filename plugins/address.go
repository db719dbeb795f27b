package plugins

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// notPublic are the blocks that no outbound connection goes to: the special-purpose registries of IANA
// (RFC 6890 and its successors), and the IPv6 forms that carry an IPv4 address inside.
var notPublic = func() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/96", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}()

// PublicAddress reports whether an address is one that everybody on the internet may reach. IPv4 inside IPv6
// (::ffff:a.b.c.d) is judged as IPv4; addresses with a zone are not public.
func PublicAddress(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// PublicHost reports whether a host of a URL may be public as far as its text tells: a name may, unless it is
// localhost or ends in a number, as the resolvers of some systems read "127.1", "2130706433" or "0x7f.1" as
// addresses (WHATWG URL, "ends in a number"); a literal address is judged by PublicAddress.
func PublicHost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return PublicAddress(a)
	}
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if last == "localhost" || last == "local" || last == "internal" || last == "" {
		return false
	}
	return !strings.HasPrefix(last, "0x") && strings.Trim(last, "0123456789") != ""
}

// Guard returns a dial function that refuses, with ErrBlockedAddress, every address that is not public. The
// check is on the address that was resolved, at the moment of the connect, so that a name that changes between
// two look-ups gains nothing. allowPrivate lets private addresses through.
func Guard(allowPrivate bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !PublicAddress(ap.Addr()) {
				return ErrBlockedAddress
			}
			return nil
		}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" && network != "tcp4" && network != "tcp6" {
			return nil, fmt.Errorf("dial %s: %w", network, ErrBlockedAddress)
		}
		return d.DialContext(ctx, network, address)
	}
}
