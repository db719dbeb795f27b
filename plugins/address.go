package plugins

import (
	"net/netip"
	"slices"
	"strings"

	"code.dny.dev/ssrf"
)

// public knows the special-purpose registries of IANA (RFC 6890 and its successors): all of IPv4 but these, and of
// IPv6 the global unicast space (2000::/3) but these. Networks and ports are not its business here.
var public = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())

// PublicAddress reports whether an address is one that everybody on the internet may reach. IPv4 inside IPv6
// (::ffff:a.b.c.d) is judged as IPv4, and the other forms that carry one (NAT64, 6to4, Teredo, …) are not public,
// whatever they carry; neither are addresses with a zone.
func PublicAddress(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && public.SafeAddr(a.Unmap()) == nil
}

// notPublic are last labels that the public DNS has not, or not for hosts: set aside by RFC 6761, 6762, 7686, 8375 and
// 9476, by ICANN (internal), or in use in so many private networks that ICANN gives them to nobody.
var notPublic = []string{"localhost", "local", "internal", "invalid", "test", "onion", "alt", "arpa", "home", "corp",
	"mail", "lan", "intranet", "private", "localdomain"}

// PublicHost reports whether a host of a URL may be public as far as its text tells: a name with a dot may, unless its
// last label is one that private networks have, or a number, as the resolvers of some systems read "127.1",
// "2130706433" or "0x7f.1" as addresses (WHATWG URL, "ends in a number"); a literal address is judged by PublicAddress.
func PublicHost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return PublicAddress(a)
	}
	i := strings.LastIndexByte(host, '.')
	last := strings.ToLower(host[i+1:])
	if i <= 0 || last == "" || slices.Contains(notPublic, last) {
		return false
	}
	return !strings.HasPrefix(last, "0x") && strings.Trim(last, "0123456789") != ""
}
