package server

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// hosts are the host names that are served: the public host, loopback names, and server.allowed_hosts. All others are
// refused, against DNS rebinding.
type hosts map[string]struct{}

func newHosts(origin string, allowed []string) hosts {
	h := hosts{}
	if u, err := url.Parse(origin); err == nil {
		h[hostName(u.Host)] = struct{}{}
	}
	for _, name := range allowed {
		h[hostName(name)] = struct{}{}
	}
	return h
}

// allows takes the value of a Host header, with or without a port.
func (h hosts) allows(host string) bool {
	name := hostName(host)
	_, known := h[name]
	return name != "" && (known || isLoopback(name))
}

// hostName is host without port, brackets and trailing dot, in lower case; "" if it is not one.
func hostName(host string) string {
	if strings.ContainsAny(host, "@/ \t") {
		return ""
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return ""
		}
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func isLoopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

func trustedNetworks(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// clientAddress is who asks: the peer of the connection, or, if that is a trusted proxy, the last address in
// X-Forwarded-For that is not one. forwarded are the values of that header in order.
func clientAddress(peer netip.Addr, trusted []netip.Prefix, forwarded []string) string {
	peer = peer.Unmap().WithZone("")
	isTrusted := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(peer); i-- {
		ip, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what a proxy did not write in full is not believed
		}
		peer = ip.Unmap().WithZone("")
	}
	return peer.String()
}
