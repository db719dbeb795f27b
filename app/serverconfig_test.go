package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app"
)

func TestDefaultsAreValid(t *testing.T) {
	for name, c := range map[string]interface{ Validate() error }{
		"server": app.DefaultServerConfig(), "limits": app.DefaultLimitsConfig(), "admin": app.DefaultAdminConfig(),
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*app.ServerConfig)
		want   string // beginning of the error; "" = fine
	}{
		{"https", func(c *app.ServerConfig) { c.PublicURL = "https://social.example/" }, ""},
		{"http on loopback", func(c *app.ServerConfig) { c.PublicURL = "http://localhost:9" }, ""},
		{"http elsewhere", func(c *app.ServerConfig) { c.PublicURL = "http://social.example" }, "public_url:"},
		{"http elsewhere, wanted", func(c *app.ServerConfig) { c.PublicURL, c.InsecureHTTP = "http://social.example", true }, ""},
		{"http on all addresses", func(c *app.ServerConfig) { c.Listen = ":8080" }, ""},
		{"http on a LAN address", func(c *app.ServerConfig) { c.Listen = "192.168.1.5:8080" }, "public_url:"},
		{"path", func(c *app.ServerConfig) { c.PublicURL = "https://social.example/belfry" }, "public_url:"},
		{"user", func(c *app.ServerConfig) { c.PublicURL = "https://me:secret@social.example" }, "public_url:"},
		{"no scheme", func(c *app.ServerConfig) { c.PublicURL = "social.example" }, "public_url:"},
		{"listen without port", func(c *app.ServerConfig) { c.Listen = "localhost" }, "listen:"},
		{"H37 star", func(c *app.ServerConfig) { c.CORSOrigins = []string{"*"} }, "cors_origins:"},
		{"origin with a path", func(c *app.ServerConfig) { c.CORSOrigins = []string{"https://good.example/"} }, "cors_origins:"},
		{"origin in upper case", func(c *app.ServerConfig) { c.CORSOrigins = []string{"https://Good.example"} }, "cors_origins:"},
		{"origin null", func(c *app.ServerConfig) { c.CORSOrigins = []string{"null"} }, "cors_origins:"},
		{"origin with a star", func(c *app.ServerConfig) { c.CORSOrigins = []string{"https://good.example", "*"} }, "cors_origins:"},
		{"wild host", func(c *app.ServerConfig) { c.AllowedHosts = []string{"*.lan"} }, "allowed_hosts:"},
		{"proxy name", func(c *app.ServerConfig) { c.TrustedProxies = []string{"proxy"} }, "trusted_proxies:"},
		{"no body", func(c *app.ServerConfig) { c.BodyLimit = 0 }, "body_limit:"},
		{"no time", func(c *app.ServerConfig) { c.ReadTimeout = 0 }, "read_timeout:"},
		{"no connections", func(c *app.ServerConfig) { c.MaxConnections = 0 }, "max_connections:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := app.DefaultServerConfig()
			tt.change(&c)
			err := c.Validate()
			if (err == nil) != (tt.want == "") || (err != nil && !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
	slow := app.DefaultLimitsConfig()
	slow.Streams = app.Rate{Count: 59, Per: time.Minute}
	if err := slow.Validate(); err == nil || !strings.HasPrefix(err.Error(), "streams:") {
		t.Errorf("streams below one a second: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://127.0.0.1:8080", "0.0.0.0:1": "http://127.0.0.1:1", "[::]:1": "http://127.0.0.1:1",
		"[::1]:1": "http://[::1]:1",
	} {
		if got := (app.ServerConfig{Listen: listen}).Origin(); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}
