package plugins_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/belfry-social/belfry/plugins"
)

func TestPublicAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true, "172.32.0.1": true, "100.128.0.1": true,
		"::ffff:1.1.1.1": true,
		"127.0.0.1":      false, "127.255.255.254": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1":     false,
		"169.254.169.254": false, "100.64.0.1": false, "100.127.255.255": false, "0.0.0.0": false, "255.255.255.255": false,
		"224.0.0.1": false,
		"::":        false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
		"fc00::1": false, "fd12::1": false, "fe80::1": false,
		"fe80::1%eth0": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:0:1::": false, "ff02::1": false,
		"198.18.0.1": false, "192.0.2.1": false,
	} {
		if got := plugins.PublicAddress(netip.MustParseAddr(text)); got != want {
			t.Errorf("PublicAddress(%s) = %v, want %v", text, got, want)
		}
	}
}

func TestPublicHost(t *testing.T) {
	for host, want := range map[string]bool{
		"bot.example": true, "1.1.1.1": true, "xn--bcher-kva.example": true, "a.b.c.example.": true,
		"[2606:4700::1111]": true,
		"localhost":         false, "localhost.": false, "LOCALHOST": false, "x.localhost": false, "2130706433": false,
		"0x7f000001": false, "0x7f.1": false, "127.1": false,
		"0177.0.0.1": false, "017700000001": false, "127.0.0.1": false, "127.0.0.1.": false, "[::1]": false,
		"[::ffff:127.0.0.1]": false, "": false, ".": false, "printer.local": false,
		"metadata.google.internal": false,
	} {
		if got := plugins.PublicHost(host); got != want {
			t.Errorf("PublicHost(%q) = %v, want %v", host, got, want)
		}
	}
}

// TestSSRFGuardRefusesAtDial listens on loopback and counts connects: there must be none.
func TestSSRFGuardRefusesAtDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan struct{}, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			c.Close()
		}
	}()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	guarded := plugins.NewGuard(8).Dial(false)
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"} {
		c, err := guarded(context.Background(), "tcp", net.JoinHostPort(host, port))
		if err == nil {
			c.Close()
			t.Errorf("%s: connected", host)
			continue
		}
		if !errors.Is(err, plugins.ErrBlockedAddress) {
			t.Errorf("%s: %v, want ErrBlockedAddress", host, err)
		}
	}
	if _, err := guarded(context.Background(), "unix", "/tmp/x"); !errors.Is(err, plugins.ErrBlockedAddress) {
		t.Errorf("unix: %v", err)
	}
	// The only connect that arrives is the allowed one: it is the first.
	c, err := plugins.NewGuard(8).Dial(true)(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-accepted
	if len(accepted) != 0 {
		t.Errorf("%d connects came through the guard", len(accepted))
	}
}
