package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// acmeProtocol is what an authority asks for that looks whether a name is ours (RFC 8737).
const acmeProtocol = acme.ALPNProto

// Bounds of asking an authority. Most allow five failures for a name in an hour.
const (
	askTime  = 30 * time.Second // for one of its answers
	askAgain = 2 * time.Minute  // after the first failure, and twice as long after each further one
	askRest  = time.Hour
)

// issued are certificates from an authority that speaks ACME. They are asked for in the background, never by a
// handshake: a stranger cannot have the authority asked, and waits for nobody. They are kept in a directory, and
// autocert renews them once a third of their time is left.
type issued struct {
	hosts   []string
	manager *autocert.Manager
	asking  *asking
	log     *zap.Logger

	mu   sync.Mutex
	have map[string]bool // hosts for which autocert has one in memory
}

func newIssued(cfg TLSConfig, hosts []string, dir string, log *zap.Logger) *issued {
	a := &asking{next: http.DefaultTransport}
	return &issued{hosts: hosts, asking: a, log: log, have: map[string]bool{}, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(dir), HostPolicy: autocert.HostWhitelist(hosts...),
		Email: cfg.Email, Client: &acme.Client{DirectoryURL: cfg.Directory, UserAgent: "belfry",
			HTTPClient: &http.Client{Transport: a, Timeout: askTime}},
	}}
}

// asking is the way to the authority, which ends with the server: autocert knows no context.
type asking struct {
	next http.RoundTripper
	mu   sync.Mutex
	over bool
}

func (a *asking) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	over := a.over
	a.mu.Unlock()
	if over {
		return nil, context.Canceled
	}
	return a.next.RoundTrip(r)
}

func (a *asking) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

func (c *issued) open() error { return nil }

// run asks for each host until there is a certificate. A question that is under way when ctx ends is left alone: it
// goes no further.
func (c *issued) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, host := range c.hosts {
		all.Go(func() { c.obtain(ctx, host, c.ask) })
	}
	<-ctx.Done()
	c.asking.end()
	all.Wait()
}

// obtain has a host's certificate asked for, at ever longer intervals, until there is one.
func (c *issued) obtain(ctx context.Context, host string, ask func(host string) error) {
	for pause := askAgain; ; pause = min(2*pause, askRest) {
		done := make(chan error, 1)
		go func() { done <- ask(host) }()
		var err error
		select {
		case err = <-done:
		case <-ctx.Done():
			return
		}
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.have[host] = true
			return
		}
		c.log.Warn("no certificate yet", zap.String("host", host), zap.Int64("again_s", int64(pause/time.Second)),
			zap.Error(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// ask has autocert find the certificate of a host, in its directory or at the authority.
func (c *issued) ask(host string) error {
	cert, err := c.manager.GetCertificate(wanted(host))
	if err != nil {
		return err
	}
	c.log.Info("certificate", zap.String("host", host), zap.Time("expires", cert.Leaf.NotAfter))
	return nil
}

// wanted is the handshake by which autocert is asked for a host's certificate; always the one with an elliptic key,
// since each kind is a certificate of its own.
func wanted(host string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

// get answers for our hosts alone; who names none, like one who comes by an address, is given the first.
func (c *issued) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if name == "" {
		name = c.hosts[0]
	}
	if !slices.Contains(c.hosts, name) {
		return nil, errors.New("no certificate for this name")
	}
	if slices.Equal(hello.SupportedProtos, []string{acmeProtocol}) {
		return c.manager.GetCertificate(hello) // the authority's look
	}
	c.mu.Lock()
	have := c.have[name]
	c.mu.Unlock()
	if !have {
		return nil, fmt.Errorf("no certificate for %s yet", name)
	}
	return c.manager.GetCertificate(wanted(name))
}

func (c *issued) expires() (first time.Time) {
	for _, host := range c.hosts {
		cert, err := c.get(&tls.ClientHelloInfo{ServerName: host})
		if err != nil {
			return time.Time{}
		}
		if at := cert.Leaf.NotAfter; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

var (
	_ certificates = (*issued)(nil)
	_ certificates = (*certFiles)(nil)
)
