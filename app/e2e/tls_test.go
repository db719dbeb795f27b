package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// overTLS has sites and children speak TLS. It is set while no other test runs.
var overTLS bool

// keyFiles are a certificate for loopback and the lab, believed by this process and its children.
var keyFiles struct{ cert, key string }

func TestMain(m *testing.M) {
	if _, child := os.LookupEnv(childArgs); child {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "belfry-e2e-")
	if err == nil {
		keyFiles.cert, keyFiles.key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		err = errors.Join(writeKeys(keyFiles.cert, keyFiles.key), os.Setenv("SSL_CERT_FILE", keyFiles.cert))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func writeKeys(cert, key string) error {
	secret, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost", "social.example"}, IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 77, 0, 1)},
		NotAfter: time.Now().Add(24 * time.Hour)}
	public, err2 := x509.CreateCertificate(rand.Reader, form, form, secret.Public(), secret)
	private, err3 := x509.MarshalPKCS8PrivateKey(secret)
	return errors.Join(err1, err2, err3,
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func scheme() string {
	if overTLS {
		return "https://"
	}
	return "http://"
}

// addressOf is the host and port of a URL.
func addressOf(base string) string {
	_, address, _ := strings.Cut(base, "://")
	return address
}

// dial opens a connection that speaks what base says.
func dial(base string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addressOf(base))
	if err != nil || !strings.HasPrefix(base, "https:") {
		return conn, err
	}
	return secured(conn), nil
}

// secured is a connection under TLS if sites speak it. The handshake comes with the first byte.
func secured(conn net.Conn) net.Conn {
	if !overTLS {
		return conn
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	return tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
}

// TestOverTLS: what holds without a proxy in front holds with HTTPS.
func TestOverTLS(t *testing.T) {
	overTLS = true
	defer func() { overTLS = false }()
	for name, test := range map[string]func(*testing.T){
		"main job": TestMainJob, "drain": TestDrain, "storm": TestStorm, "resume": TestResume, "overload": TestH16Overload,
		"half open": TestHalfOpen, "hostile stream": TestHostileStream, "recovery": TestRecovery,
		"pictures": TestPictures, "uploads": TestManyUploads, "restarts": TestTwoRestarts,
	} {
		t.Run(name, test)
	}
	t.Run("headers", testSecureHeaders)
	t.Run("commands", testSecureCommands)
}

// testSecureHeaders: cookies are for https alone, browsers are told so for a year, and links say https.
func testSecureHeaders(t *testing.T) {
	s := startSite(t, nil)
	resp := s.anonymous().want(201, "POST", "/v1/auth/register", map[string]any{"username": "alice", "password": password},
		nil)
	cookie := resp.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "__Host-belfry_") || !strings.Contains(cookie, "; secure") && !strings.Contains(cookie,
		"; Secure") {
		t.Errorf("the cookie is %s", cookie)
	}
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("browsers are told %q", got)
	}
	var view struct{ URL string }
	s.anonymous().want(200, "GET", "/v1/instance", nil, &view)
	if view.URL != s.URL {
		t.Errorf("the site says it is at %s, want %s", view.URL, s.URL)
	}
	if resp, err := http.Get("http://" + addressOf(s.URL)); err == nil {
		resp.Body.Close()
		t.Errorf("by http: %d", resp.StatusCode)
	}
}

// testSecureCommands: the command line finds the server of its configuration, whatever the name points to.
func testSecureCommands(t *testing.T) {
	c := newChild(t, t.TempDir()+"/data")
	c.mustStart()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("server:\n  listen: %s\n  public_url: https://localhost:9\n  tls: {cert: %q, key: %q}\n",
		addressOf(c.URL), keyFiles.cert, keyFiles.key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := mustBelfry(t, "healthcheck", "--config", file); out != "ready" {
		t.Errorf("healthcheck says %q", out)
	}
}
