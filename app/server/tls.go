package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// TLSConfig is "server.tls": HTTPS without a proxy in front. All empty: plain HTTP.
type TLSConfig struct {
	Auto bool `yaml:"auto"` // certificates from an authority that speaks ACME (RFC 8555), whose terms are agreed to
	// Hosts are the names to have certificates for, with Auto. Empty: that of public_url.
	Hosts     []string `yaml:"hosts"`
	Email     string   `yaml:"email"`     // where the authority may write to
	Directory string   `yaml:"directory"` // the authority's address
	Cert      string   `yaml:"cert"`      // file with a certificate and those that vouch for it, PEM
	Key       string   `yaml:"key"`       // file with its private key
}

// On reports that the listener speaks TLS.
func (c TLSConfig) On() bool { return c.Auto || c.Cert != "" || c.Key != "" }

// tlsHosts are the names to have certificates for, as browsers write them.
func (c Config) tlsHosts() []string {
	if len(c.TLS.Hosts) == 0 {
		return []string{c.hostOfOrigin()}
	}
	out := make([]string, len(c.TLS.Hosts))
	for i, name := range c.TLS.Hosts {
		out[i], _ = canonicalHost(name) // Validate refuses others
	}
	return out
}

// hostOfOrigin is the host of the public URL, without a port.
func (c Config) hostOfOrigin() string {
	_, host, _ := strings.Cut(c.Origin(), "://")
	return hostName(host)
}

func (c Config) validateTLS() error {
	t := c.TLS
	switch {
	case !t.On() && (len(t.Hosts) > 0 || t.Email != ""):
		return errors.New("tls.auto: must be set, since tls.hosts or tls.email is")
	case t.Auto && (t.Cert != "" || t.Key != ""):
		return errors.New("tls.cert: must be empty with tls.auto, as tls.key must")
	case !t.Auto && t.Cert != "" && t.Key == "":
		return errors.New("tls.key: must name the file with the key of tls.cert")
	case !t.Auto && t.Cert == "" && t.Key != "":
		return errors.New("tls.cert: must name the file with the certificate of tls.key")
	case t.On() && !c.Secure():
		return errors.New("public_url: must be https, since server.tls is set")
	case !t.Auto:
		return nil
	}
	if u, err := url.Parse(t.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("tls.directory: must be an https URL")
	}
	if own := c.hostOfOrigin(); validName(own) != nil || !slices.Contains(c.tlsHosts(), own) {
		if len(t.Hosts) == 0 {
			return errors.New("tls.hosts: must name hosts, such as social.example; or give public_url")
		}
		return fmt.Errorf("tls.hosts: must have the host of public_url, %s", own)
	}
	return nil
}

// validName refuses what no authority gives certificates for.
func validName(name string) error {
	host, err := canonicalHost(name)
	if err != nil || !strings.Contains(host, ".") || isLoopback(host) || strings.ContainsAny(host, "*:") ||
		strings.Trim(host, "0123456789.") == "" {
		return errors.New("must be a name that everybody knows, such as social.example")
	}
	return nil
}

// certificates are what handshakes are answered with. Safe for concurrent use.
type certificates interface {
	// open is called before the listener is opened. An error names the key.
	open() error
	// run does what there is to do in the background, until ctx ends.
	run(ctx context.Context)
	// get answers a handshake. It waits for nothing outside of this machine.
	get(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// expires is when the first of the certificates does; zero = there is none.
	expires() time.Time
}

// newCertificates gives nil without TLS.
func newCertificates(cfg Config, deps Deps) certificates {
	switch {
	case cfg.TLS.Auto:
		return newIssued(cfg.TLS, cfg.tlsHosts(), deps.Certificates, deps.Log)
	case cfg.TLS.On():
		return &certFiles{cert: cfg.TLS.Cert, key: cfg.TLS.Key, clock: deps.Clock, log: deps.Log}
	}
	return nil
}

// tlsConfig is for all handshakes; nil without TLS. HTTP/1.1 is all that is spoken.
func (s *Server) tlsConfig() *tls.Config {
	if s.certs == nil {
		return nil
	}
	protocols := []string{"http/1.1"}
	if s.cfg.TLS.Auto {
		protocols = append(protocols, acmeProtocol)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: s.certs.get}
}

// certificateEnds is a figure: Unix time, 0 = there is no certificate.
func (s *Server) certificateEnds() float64 {
	if s.certs == nil {
		return 0
	}
	if at := s.certs.expires(); !at.IsZero() {
		return float64(at.Unix())
	}
	return 0
}

// Near is how programs on this machine reach the server: an address and a client for it. With TLS that is the public
// URL, for the certificate's sake, at the listen address, wherever the name points to. A certificate given in a file is
// believed.
func (c Config) Near() (base string, client *http.Client, err error) {
	if !c.TLS.On() {
		return c.Local(), http.DefaultClient, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // this system has none
	}
	if c.TLS.Cert != "" {
		text, err := os.ReadFile(c.TLS.Cert)
		if err != nil {
			return "", nil, fmt.Errorf("server.tls.cert: %w", err)
		}
		roots.AppendCertsFromPEM(text)
	}
	address := strings.TrimPrefix(c.Local(), "https://")
	return c.Origin(), &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}, nil
}
