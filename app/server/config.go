package server

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/belfry-social/belfry/modules/social"
)

// Config is the section "server": where and how HTTP is served.
type Config struct {
	Listen string `yaml:"listen"` // host and port
	// PublicURL is how people reach the server: scheme and host, perhaps a port, no path. Empty: http:// and Listen; with
	// TLS https:// and the first of its hosts or, if none are named, Listen.
	PublicURL      string    `yaml:"public_url"`
	AllowedHosts   []string  `yaml:"allowed_hosts"`   // further host names, without ports; others get 400
	TrustedProxies []string  `yaml:"trusted_proxies"` // addresses or networks whose X-Forwarded-For counts
	InsecureHTTP   bool      `yaml:"insecure_http"`   // a public http URL beyond loopback is allowed
	TLS            TLSConfig `yaml:"tls"`
	CORSOrigins    []string  `yaml:"cors_origins"`    // exact origins whose pages may call with a token
	MaxConnections int       `yaml:"max_connections"` // event streams not counted; beyond it 503
	// MaxConnectionsPerAddress is how many of them one public address (IPv6: its /64) holds; 0 = no bound. Addresses that
	// are not public, and trusted proxies, may hold all.
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address"`

	MaxStreams          int           `yaml:"max_streams"`            // event streams and long polls of this node
	MaxStreamsPerPerson int           `yaml:"max_streams_per_person"` // one more ends the oldest
	ReadTimeout         time.Duration `yaml:"read_timeout"`           // of a request, first byte to end of body
	WriteTimeout        time.Duration `yaml:"write_timeout"`          // of an answer; streams have rules of their own
	IdleTimeout         time.Duration `yaml:"idle_timeout"`           // of a kept connection, until its next request
	RequestTimeout      time.Duration `yaml:"request_timeout"`        // of the work on a request, a long poll included
	BodyLimit           social.Size   `yaml:"body_limit"`
	HeaderLimit         social.Size   `yaml:"header_limit"` // the request line and all headers together
}

func DefaultConfig() Config {
	return Config{
		Listen:         "127.0.0.1:8080",
		AllowedHosts:   []string{},
		TrustedProxies: []string{},
		TLS:            TLSConfig{Hosts: []string{}, Directory: autocert.DefaultACMEDirectory},
		CORSOrigins:    []string{},
		MaxConnections: 10_000,
		MaxStreams:     20_000,

		MaxConnectionsPerAddress: 1000,

		MaxStreamsPerPerson: 10,
		ReadTimeout:         10 * time.Second,
		WriteTimeout:        30 * time.Second,
		IdleTimeout:         75 * time.Second,
		RequestTimeout:      75 * time.Second,
		BodyLimit:           64 << 10,
		HeaderLimit:         16 << 10,
	}
}

// Origin is the public URL as browsers write it in the header Origin. One that Validate refuses stays as it is.
func (c Config) Origin() string {
	text := c.public()
	if origin, err := canonicalOrigin(text); err == nil {
		return origin
	}
	return text
}

// Local is the address at which the server is reached from its own machine.
func (c Config) Local() string {
	scheme := "http://"
	if c.TLS.On() {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return scheme + c.Listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || (err == nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, port)
}

// public is the public URL, or what stands for it.
func (c Config) public() string {
	switch _, port, err := net.SplitHostPort(c.Listen); {
	case c.PublicURL != "":
		return c.PublicURL
	case err == nil && c.TLS.On() && len(c.TLS.Hosts) > 0:
		return "https://" + net.JoinHostPort(c.TLS.Hosts[0], port)
	}
	return c.Local()
}

// Secure reports that people reach the server by https, so that cookies are for https only.
func (c Config) Secure() bool { return strings.HasPrefix(c.Origin(), "https://") }

func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return errors.New("listen: must be host:port")
	}
	if err := eachItem("tls.hosts", c.TLS.Hosts, validName); err != nil {
		return err
	}
	if err := c.validateURL(); err != nil {
		return err
	}
	if err := errors.Join(eachItem("trusted_proxies", c.TrustedProxies, validProxy), validateHosts(c.AllowedHosts),
		eachItem("cors_origins", c.CORSOrigins, validCORSOrigin)); err != nil {
		return err
	}
	if err := c.validateTLS(); err != nil {
		return err
	}
	return c.validateNumbers()
}

// eachItem says of each item of a list what is wrong with it.
func eachItem(key string, list []string, valid func(string) error) error {
	var errs []error
	for i, text := range list {
		if err := valid(text); err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
	}
	return errors.Join(errs...)
}

func validProxy(text string) error {
	_, err := trustedNetworks([]string{text})
	return err
}

func validCORSOrigin(text string) error {
	if text == "*" {
		return errors.New("* is refused: name each origin")
	}
	origin, err := canonicalOrigin(text)
	if err == nil && text != origin {
		err = fmt.Errorf("the form that browsers send is %s", origin)
	}
	return err
}

func (c Config) validateURL() error {
	origin, err := canonicalOrigin(c.public())
	if err != nil {
		return fmt.Errorf("public_url: %w", err)
	}
	host := strings.TrimPrefix(origin, "http://")
	if host != origin && !isLoopback(hostName(host)) && !c.InsecureHTTP {
		return errors.New("public_url: must be https, unless it is on loopback or insecure_http is set")
	}
	return nil
}

// PlainHosts refuses names in allowed_hosts beyond loopback where people would reach the server by plain http under
// them. It is asked of a valid configuration.
func (c Config) PlainHosts() error {
	if c.Secure() || c.InsecureHTTP {
		return nil
	}
	for i, name := range c.AllowedHosts {
		if !isLoopback(hostName(name)) {
			return fmt.Errorf("allowed_hosts[%d]: passwords would travel in the clear, since this name is reached by http: "+
				"give public_url with https, or set insecure_http", i)
		}
	}
	return nil
}

func (c Config) validateNumbers() error {
	for _, rule := range []struct {
		holds bool
		says  string
	}{
		{c.ReadTimeout > 0, "read_timeout: must be more than 0"},
		{c.WriteTimeout > 0, "write_timeout: must be more than 0"},
		{c.IdleTimeout > 0, "idle_timeout: must be more than 0"},
		{c.RequestTimeout > 0, "request_timeout: must be more than 0"},
		{c.MaxConnections > 0, "max_connections: must be at least 1"},
		{c.MaxConnections <= math.MaxInt32, "max_connections: must be at most 2147483647"},
		{c.MaxConnectionsPerAddress >= 0, "max_connections_per_address: must not be negative; 0 = no bound"},
		{c.MaxStreams > 0, "max_streams: must be at least 1"},
		{c.MaxStreams <= math.MaxInt32, "max_streams: must be at most 2147483647"},
		{c.MaxStreamsPerPerson > 0, "max_streams_per_person: must be at least 1"},
		{c.BodyLimit >= 1<<10 && c.BodyLimit <= 1<<30, "body_limit: must be 1KiB to 1GiB"},
		{c.HeaderLimit >= 4<<10 && c.HeaderLimit <= 1<<20, "header_limit: must be 4KiB to 1MiB"},
	} {
		if !rule.holds {
			return errors.New(rule.says)
		}
	}
	return nil
}
