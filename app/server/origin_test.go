package server_test

import (
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/server"
)

// TestPublicURLIsAnOrigin: whatever way the public URL is written, the program knows it as browsers write it.
func TestPublicURLIsAnOrigin(t *testing.T) {
	for url, want := range map[string]string{
		"https://social.example":             "https://social.example",
		"https://social.example/":            "https://social.example",
		"HTTPS://Social.Example":             "https://social.example",
		"https://social.example:443":         "https://social.example",
		"https://social.example:0443/":       "https://social.example",
		"https://social.example:":            "https://social.example",
		"https://social.example:8443":        "https://social.example:8443",
		"https://social.example:80":          "https://social.example:80",
		"https://social.example.":            "https://social.example",
		"https://bücher.example":             "https://xn--bcher-kva.example",
		"https://BÜCHER.example:443":         "https://xn--bcher-kva.example",
		"https://b%C3%BCcher.example":        "https://xn--bcher-kva.example",
		"https://faß.example":                "https://xn--fa-hia.example",
		"https://例え。example":                 "https://xn--r8jz45g.example",
		"https://XN--BCHER-KVA.example":      "https://xn--bcher-kva.example",
		"https://r3---a.example":             "https://r3---a.example",
		"https://my_host.example":            "https://my_host.example",
		"https://[2001:DB8:0::1]:443":        "https://[2001:db8::1]",
		"https://192.0.2.1:8443":             "https://192.0.2.1:8443",
		"http://LOCALHOST:80":                "http://localhost",
		"http://127.0.0.1:8080":              "http://127.0.0.1:8080",
		"https://xn--bcher-kva.example:8443": "https://xn--bcher-kva.example:8443",
	} {
		c := server.DefaultConfig()
		c.PublicURL = url
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if got := c.Origin(); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
		if c.Secure() != strings.HasPrefix(want, "https") {
			t.Errorf("%s: secure is %v", url, c.Secure())
		}
	}
	for url, says := range map[string]string{
		"https://social.example/?":     "path",
		"https://social.example#":      "path",
		"https://social.example:x":     "URL",
		"https://social.example:65536": "port",
		"https://so cial.example":      "URL",
		"https://social/example":       "path",
		"https://1.2.3":                "address",
		"https://0x7f.1":               "address",
		"https://3232235777":           "address",
		"https://256.1.1.1":            "address",
		"https://[fe80::1%25eth0]":     "zone",
		"https://a..example":           "host",
		"https://*.example":            "host",
		"https://\u200b":               "host",
		"ftp://social.example":         "http",
		"https://":                     "URL",
	} {
		c := server.DefaultConfig()
		c.PublicURL = url
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "public_url:") ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want an error of public_url that says %q", url, err, says)
		}
	}
	for listen, want := range map[string]string{"127.0.0.1:80": "http://127.0.0.1", ":80": "http://127.0.0.1",
		"LocalHost:8080": "http://localhost:8080", "[0:0::1]:8080": "http://[::1]:8080"} {
		c := server.DefaultConfig()
		c.Listen = listen
		if got := c.Origin(); got != want {
			t.Errorf("listen %s: got %s, want %s", listen, got, want)
		}
	}
}

// TestOriginsThatNeverMatch: what no browser sends is refused, with the form that it does send.
func TestOriginsThatNeverMatch(t *testing.T) {
	for origin, right := range map[string]string{
		"https://Good.example":     "https://good.example",
		"https://good.example/":    "https://good.example",
		"https://good.example:443": "https://good.example",
		"http://good.example:080":  "http://good.example",
		"https://bücher.example":   "https://xn--bcher-kva.example",
		"https://[2001:DB8::1]":    "https://[2001:db8::1]",
		"https://good.example.":    "https://good.example",
	} {
		c := server.DefaultConfig()
		c.CORSOrigins = []string{origin}
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "cors_origins[0]:") ||
			!strings.HasSuffix(err.Error(), right) {
			t.Errorf("%s: got %v, want the form %s", origin, err, right)
		}
		c.CORSOrigins = []string{right}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", right, err)
		}
	}
	for _, origin := range []string{"good.example", "https://good.example/app", "https://good.example?",
		"https://*.example",
		"https://me:secret@good.example", "https://0x7f.1"} {
		c := server.DefaultConfig()
		c.CORSOrigins = []string{origin}
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", origin, err)
		}
	}
}

// TestNamesOfHosts: hosts in config are known as requests name them, for the public and for the admin listener.
func TestNamesOfHosts(t *testing.T) {
	for name, host := range map[string]string{
		"NAS.lan": "nas.lan", "nas.lan.": "nas.lan", "bücher.lan": "xn--bcher-kva.lan", "my_nas": "my_nas",
		"fd00:0::1": "[fd00::1]", "[fd00::1]": "[fd00::1]:8080", "192.168.1.5": "192.168.1.5:80",
	} {
		s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.AllowedHosts = []string{name} })
		if a := s.do("GET", "/v1/who/none", "", "Host", host); a.StatusCode != 200 {
			t.Errorf("allowed host %s: a request for %s got %d", name, host, a.StatusCode)
		}
	}
	for _, name := range []string{"", "nas.lan:8080", "http://nas.lan", "*.lan", "a b", "0x7f.1", "me@nas", "nas..lan",
		"xn--a.lan", strings.Repeat("a", 64) + ".lan"} {
		c := server.DefaultConfig()
		c.AllowedHosts = []string{name}
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "allowed_hosts[0]:") {
			t.Errorf("allowed_hosts %q: got %v", name, err)
		}
		admin := server.DefaultAdminConfig()
		admin.AllowedHosts = []string{name}
		if err := admin.Validate(); err == nil || !strings.HasPrefix(err.Error(), "allowed_hosts[0]:") {
			t.Errorf("admin, allowed_hosts %q: got %v", name, err)
		}
	}
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.PublicURL = "https://bücher.example" })
	if a := s.do("GET", "/v1/who/none", "", "Host", "xn--bcher-kva.example"); a.StatusCode != 200 {
		t.Errorf("the host of an international public_url: got %d", a.StatusCode)
	}
}
