package sse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
)

// overTLS has sites and their clients speak TLS.
var overTLS bool

// serverTLS is made once: a key takes its time.
var serverTLS = sync.OnceValue(func() *tls.Config {
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	form := &x509.Certificate{SerialNumber: big.NewInt(1)}
	public, err2 := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{public}, PrivateKey: key}}}
})

func (s *site) dial() (net.Conn, error) {
	conn, err := s.dialer().Dial("tcp", s.addr)
	if err != nil || !overTLS {
		return conn, err
	}
	over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who it is, is not the question
	return over, over.Handshake()
}

// eachHolder runs a test with each of them, and over TLS.
func eachHolder(t *testing.T, test func(t *testing.T, cfg Config)) {
	for _, name := range holders() {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Holder = name
			test(t, cfg)
		})
	}
	t.Run("tls", func(t *testing.T) {
		overTLS = true
		defer func() { overTLS = false }()
		test(t, testConfig())
	})
}

// TestOverTLS: streams are what they are without.
func TestOverTLS(t *testing.T) {
	overTLS = true
	defer func() { overTLS = false }()
	for name, test := range map[string]func(*testing.T){
		"pipelined": TestPipelined, "caps": TestCaps, "two tabs": TestW15TwoTabs, "away": TestW19MissedWhileAway,
		"while opening": TestW22NothingLostWhileOpening, "revoked": TestW33RevokedStream, "fresh": TestFreshStream,
		"resumed": TestResumed, "gap": TestGapAtStart, "model": TestModel, "life": TestLife,
	} {
		t.Run(name, test)
	}
}

// tcp is the socket of a client.
func (c *client) tcp() *net.TCPConn {
	if over, ok := c.conn.(*tls.Conn); ok {
		return over.NetConn().(*net.TCPConn)
	}
	return c.conn.(*net.TCPConn)
}
