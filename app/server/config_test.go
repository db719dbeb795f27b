package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
)

func TestDefaultsAreValid(t *testing.T) {
	for name, c := range map[string]interface{ Validate() error }{
		"server": server.DefaultConfig(), "limits": server.DefaultLimitsConfig(), "admin": server.DefaultAdminConfig(),
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*server.Config)
		want   string // beginning of the error; "" = fine
	}{
		{"https", func(c *server.Config) { c.PublicURL = "https://social.example/" }, ""},
		{"http on loopback", func(c *server.Config) { c.PublicURL = "http://localhost:9" }, ""},
		{"http elsewhere", func(c *server.Config) { c.PublicURL = "http://social.example" }, "public_url:"},
		{"http elsewhere, wanted", func(c *server.Config) { c.PublicURL, c.InsecureHTTP = "http://social.example", true },
			""},
		{"http on all addresses", func(c *server.Config) { c.Listen = ":8080" }, ""},
		{"http under a name of the LAN", func(c *server.Config) { c.AllowedHosts = []string{"localhost", "belfry.lan"} },
			"allowed_hosts[1]: passwords would travel in the clear"},
		{"http under a LAN address", func(c *server.Config) {
			c.Listen, c.AllowedHosts = "0.0.0.0:8080", []string{"192.168.1.5"}
		},
			"allowed_hosts[0]: passwords"},
		{"http under a name of the LAN, wanted", func(c *server.Config) {
			c.Listen, c.AllowedHosts, c.InsecureHTTP = "0.0.0.0:8080", []string{"belfry.lan"}, true
		}, ""},
		{"http under loopback names", func(c *server.Config) {
			c.AllowedHosts = []string{"127.0.0.2", "a.localhost", "::1"}
		}, ""},
		{"https and a name behind the proxy", func(c *server.Config) {
			c.PublicURL, c.AllowedHosts = "https://social.example", []string{"belfry.lan"}
		}, ""},
		{"tls by name", func(c *server.Config) { c.Listen, c.TLS.Auto, c.TLS.Hosts = ":443", true, []string{"a.example"} },
			""},
		{"tls for the public url", func(c *server.Config) { c.PublicURL, c.TLS.Auto = "https://a.example", true }, ""},
		{"tls for a name of another script", func(c *server.Config) {
			c.PublicURL, c.TLS.Auto, c.TLS.Hosts = "https://xn--bcher-kva.example", true, []string{"Bücher.example"}
		}, ""},
		{"tls from files", func(c *server.Config) { c.TLS.Cert, c.TLS.Key = "cert.pem", "key.pem" }, ""},
		{"tls from files on all addresses", func(c *server.Config) {
			c.Listen, c.PublicURL, c.TLS.Cert, c.TLS.Key = ":443", "https://a.example", "cert.pem", "key.pem"
		}, ""},
		{"tls for nobody", func(c *server.Config) { c.TLS.Auto = true }, "tls.hosts: must name hosts"},
		{"tls and http", func(c *server.Config) {
			c.PublicURL, c.TLS.Auto, c.TLS.Hosts = "http://localhost", true, []string{"a.example"}
		}, "public_url: must be https"},
		{"files and http", func(c *server.Config) {
			c.PublicURL, c.TLS.Cert, c.TLS.Key = "http://localhost", "cert.pem", "key.pem"
		}, "public_url: must be https"},
		{"tls without the own host", func(c *server.Config) {
			c.PublicURL, c.TLS.Auto, c.TLS.Hosts = "https://a.example", true, []string{"www.a.example"}
		}, "tls.hosts: must have the host of public_url, a.example"},
		{"tls for an address", func(c *server.Config) { c.TLS.Auto, c.TLS.Hosts = true, []string{"a.example", "192.0.2.1"} },
			"tls.hosts[1]:"},
		{"tls for loopback", func(c *server.Config) { c.PublicURL, c.TLS.Auto = "https://localhost", true }, "tls.hosts:"},
		{"tls for all below", func(c *server.Config) { c.TLS.Auto, c.TLS.Hosts = true, []string{"*.example"} },
			"tls.hosts[0]:"},
		{"tls both ways", func(c *server.Config) {
			c.PublicURL, c.TLS.Auto, c.TLS.Cert, c.TLS.Key = "https://a.example", true, "cert.pem", "key.pem"
		}, "tls.cert:"},
		{"certificate without a key", func(c *server.Config) { c.TLS.Cert = "cert.pem" }, "tls.key:"},
		{"key without a certificate", func(c *server.Config) { c.TLS.Key = "key.pem" }, "tls.cert:"},
		{"hosts without tls", func(c *server.Config) { c.TLS.Hosts = []string{"a.example"} }, "tls.auto:"},
		{"authority by http", func(c *server.Config) {
			c.PublicURL, c.TLS.Auto, c.TLS.Directory = "https://a.example", true, "http://acme.example"
		}, "tls.directory:"},
		{"http on a LAN address", func(c *server.Config) { c.Listen = "192.168.1.5:8080" }, "public_url:"},
		{"path", func(c *server.Config) { c.PublicURL = "https://social.example/belfry" }, "public_url:"},
		{"user", func(c *server.Config) { c.PublicURL = "https://me:secret@social.example" }, "public_url:"},
		{"no scheme", func(c *server.Config) { c.PublicURL = "social.example" }, "public_url:"},
		{"listen without port", func(c *server.Config) { c.Listen = "localhost" }, "listen:"},
		{"H37 star", func(c *server.Config) { c.CORSOrigins = []string{"*"} }, "cors_origins[0]:"},
		{"origin with a path", func(c *server.Config) { c.CORSOrigins = []string{"https://good.example/"} },
			"cors_origins[0]:"},
		{"origin in upper case", func(c *server.Config) { c.CORSOrigins = []string{"https://Good.example"} },
			"cors_origins[0]:"},
		{"origin null", func(c *server.Config) { c.CORSOrigins = []string{"null"} }, "cors_origins[0]:"},
		{"origin with a star", func(c *server.Config) { c.CORSOrigins = []string{"https://good.example", "*"} },
			"cors_origins[1]:"},
		{"wild host", func(c *server.Config) { c.AllowedHosts = []string{"*.lan"} }, "allowed_hosts[0]:"},
		{"proxy name", func(c *server.Config) { c.TrustedProxies = []string{"proxy"} }, "trusted_proxies[0]:"},
		{"no body", func(c *server.Config) { c.BodyLimit = 0 }, "body_limit:"},
		{"no time", func(c *server.Config) { c.ReadTimeout = 0 }, "read_timeout:"},
		{"no connections", func(c *server.Config) { c.MaxConnections = 0 }, "max_connections:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := server.DefaultConfig()
			tt.change(&c)
			err := c.Validate()
			if err == nil {
				err = c.PlainHosts()
			}
			if (err == nil) != (tt.want == "") || (err != nil && !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
	slow := server.DefaultLimitsConfig()
	slow.Streams = server.Rate{Count: 59, Per: time.Minute}
	if err := slow.Validate(); err == nil || !strings.HasPrefix(err.Error(), "streams:") {
		t.Errorf("streams below one a second: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://127.0.0.1:8080", "0.0.0.0:1": "http://127.0.0.1:1",
		"[::]:1":  "http://127.0.0.1:1",
		"[::1]:1": "http://[::1]:1",
	} {
		if got := (server.Config{Listen: listen}).Origin(); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

// TestTLSOrigin: with TLS people come by https, whatever is left out.
func TestTLSOrigin(t *testing.T) {
	for want, change := range map[string]func(c *server.Config){
		"https://a.example": func(c *server.Config) {
			c.Listen, c.TLS.Auto, c.TLS.Hosts = ":443", true, []string{"A.example"}
		},
		"https://a.example:8443": func(c *server.Config) {
			c.Listen, c.TLS.Auto, c.TLS.Hosts = ":8443", true, []string{"a.example"}
		},
		"https://b.example":      func(c *server.Config) { c.PublicURL, c.TLS.Auto = "https://b.example", true },
		"https://127.0.0.1:8080": func(c *server.Config) { c.TLS.Cert, c.TLS.Key = "cert.pem", "key.pem" },
	} {
		c := server.DefaultConfig()
		change(&c)
		if err := c.Validate(); err != nil || c.Origin() != want || !c.Secure() {
			t.Errorf("%s, secure %v, %v; want %s", c.Origin(), c.Secure(), err, want)
		}
	}
}
