package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
)

// overTLS has sites speak TLS, and dial too. Tests in parallel end before it changes.
var overTLS bool

// dial connects to a site.
func dial(address string) (net.Conn, error) {
	if !overTLS {
		return net.Dial("tcp", address)
	}
	return dialTLS(address)
}

func dialTLS(address string) (*tls.Conn, error) {
	return tls.Dial("tcp", address, &tls.Config{ServerName: "social.example", NextProtos: []string{"h2", "http/1.1"},
		InsecureSkipVerify: true}) //nolint:gosec // who it is, is not the question
}

// TestOverTLS: what holds for a connection holds under TLS.
func TestOverTLS(t *testing.T) {
	overTLS = true
	defer func() { overTLS = false }()
	for name, test := range map[string]func(*testing.T){
		"framing":              TestHostileFraming,
		"100-continue":         TestExpectContinue,
		"slow request":         TestSlowRequestEnds,
		"expectations":         TestExpect,
		"refusals":             TestRefusalReachesASender,
		"overload":             TestOverloadReachesASender,
		"overload of a stream": TestOverloadEndsNoStream,
		"silence":              TestSilenceTakesNoPlace,
		"upload":               TestUploadForm,
		"upload refused":       TestUploadRefusedUnread,
		"upload that asks":     TestUploadAsks,
		"upload cut":           TestUploadsCut,
		"uploads at once":      TestUploadsAtOnce,
		"drain":                TestDrain,
		"hijack":               TestHijackedConnectionStays,
		"shutdown":             TestShutdownLeavesNothing,
		"shutdown cancels":     TestShutdownCancels,
	} {
		t.Run(name, test)
	}
}

// writeKeys makes a certificate for a name in two files.
func writeKeys(t *testing.T, dir, name string, until time.Time) (cert, key string) {
	t.Helper()
	secret, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: until}
	public, err2 := x509.CreateCertificate(rand.Reader, form, form, secret.Public(), secret)
	private, err3 := x509.MarshalPKCS8PrivateKey(secret)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	err4 := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600)
	err5 := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// shown is the name in the certificate that a site shows.
func shown(t *testing.T, address string) string {
	t.Helper()
	c, err := dialTLS(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state := c.ConnectionState()
	if state.NegotiatedProtocol != "http/1.1" || state.Version < tls.VersionTLS12 {
		t.Errorf("%q, version %x", state.NegotiatedProtocol, state.Version)
	}
	return state.PeerCertificates[0].DNSNames[0]
}

// TestCertificateFiles: a certificate that was renewed is shown without a restart, one that cannot be used is not, and
// the files are looked at every few seconds only.
func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	until := time.Unix(2_000_000_000, 0)
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.TLS.Cert, cfg.TLS.Key = writeKeys(t, dir, "first.example", until)
	})
	address := s.serve()
	want := func(name string) {
		t.Helper()
		if got := shown(t, address); got != name {
			t.Errorf("shows %s, want %s", got, name)
		}
	}
	want("first.example")
	cert, key := writeKeys(t, dir, "second.example", until.Add(time.Hour))
	want("first.example") // not looked at yet
	s.clock.Add(5 * time.Second)
	want("second.example")
	if got := s.figure("belfry_tls_certificate_expires_seconds"); got != 2_000_003_600 {
		t.Errorf("expires at %f", got)
	}

	good, err := os.ReadFile(key)
	if err == nil {
		err = os.WriteFile(key, []byte("half of it"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.clock.Add(5 * time.Second)
		want("second.example")
	}
	if n := s.logs.FilterMessageSnippet("cannot be used").Len(); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	for _, e := range s.logs.All() {
		if strings.Contains(fmt.Sprint(e.Message, e.ContextMap()), "half of it") {
			t.Errorf("the log has the key: %v", e)
		}
	}
	other, _ := writeKeys(t, t.TempDir(), "third.example", until)
	text, err := os.ReadFile(other)
	if err == nil {
		err = errors.Join(os.WriteFile(key, good, 0o600), os.WriteFile(cert, text, 0o600)) // of another key
	}
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Add(5 * time.Second)
	want("second.example")
	writeKeys(t, dir, "fourth.example", until)
	s.clock.Add(5 * time.Second)
	want("fourth.example")
}

// TestCertificateMissing: the start ends, and says which key it is about.
func TestCertificateMissing(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.Listen, cfg.TLS.Cert, cfg.TLS.Key = "127.0.0.1:0", "/nowhere/cert.pem", "/nowhere/key.pem"
	})
	if ln, err := s.Listen(context.Background()); err == nil || !strings.HasPrefix(err.Error(), "server.tls.cert") {
		t.Errorf("%v, %v", ln, err)
	}
}

// TestHandshakes are work before anybody has said who they are: one that does not end has a place and no more, gives
// it to whoever comes, and has the time that a request has.
func TestHandshakes(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.TLS.Cert, cfg.TLS.Key = writeKeys(t, dir, "social.example", time.Unix(2_000_000_000, 0))
		cfg.MaxConnections, cfg.ReadTimeout = 4, 300*time.Millisecond
	})
	address := s.serve()
	var hello recorder
	_ = tls.Client(&hello, &tls.Config{ServerName: "social.example"}).Handshake() // breaks off behind the first words
	if len(hello.said) == 0 {
		t.Fatal("there is no hello")
	}
	var open []net.Conn
	for i := range 40 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(hello.said[:[]int{0, 1, 20, len(hello.said)}[i%4]]) // the server may have closed it
		open = append(open, c)
		if got := s.figure("belfry_http_connections"); got > 4 {
			t.Fatalf("%f connections have a place", got)
		}
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a handshake has no end")
		}
	}
	if got := shown(t, address); got != "social.example" {
		t.Error(got)
	}
}

// recorder is a connection that keeps what is written to it and has nothing to read.
type recorder struct {
	net.Conn
	said []byte
}

func (r *recorder) Write(p []byte) (int, error) { r.said = append(r.said, p...); return len(p), nil }

func (r *recorder) Read([]byte) (int, error) { return 0, io.EOF }

func (r *recorder) SetDeadline(time.Time) error      { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) Close() error                     { return nil }

// TestTLSVersions: what is broken or gives old traffic away to who steals the key later is not spoken.
func TestTLSVersions(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.TLS.Cert, cfg.TLS.Key = writeKeys(t, t.TempDir(), "social.example", time.Unix(2_000_000_000, 0))
	})
	address := s.serve()
	for name, speaks := range map[string]*tls.Config{
		"1.3": {MinVersion: tls.VersionTLS13},
		"1.2": {MaxVersion: tls.VersionTLS12},
		"old": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"without forward secrecy": {MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		"RC4": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}},
	} {
		speaks.InsecureSkipVerify = true
		c, err := tls.Dial("tcp", address, speaks)
		if err == nil {
			_ = c.Close()
		}
		if good := name[0] == '1'; good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPlainOnTLS: who speaks plain HTTP is not answered as HTTP would be, and learns nothing.
func TestPlainOnTLS(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.TLS.Cert, cfg.TLS.Key = writeKeys(t, t.TempDir(), "social.example", time.Unix(2_000_000_000, 0))
	})
	resp, err := http.Get("http://" + s.serve() + "/v1/instance")
	if err == nil {
		resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
}
