package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is Pebble, the small authority of Let's Encrypt for tests, and a name server for which every name is
// this machine.
type authority struct {
	t         testing.TB
	Directory string
	manager   string // of Pebble itself
	processes []*exec.Cmd
	out       lockedBuffer
}

// startAuthority looks at names on a port of this machine.
func startAuthority(t *testing.T, port string) *authority {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "github.com/letsencrypt/pebble/v2/cmd/pebble",
		"github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv")
	build.Dir = "pebble" // a module of its own
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("SKIP: the authority cannot be built: %v", err)
	}
	names, api := freePort(t), freePort(t)
	a := &authority{t: t, Directory: "https://" + api + "/dir", manager: "https://" + freePort(t)}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{"listenAddress": api,
		"managementListenAddress": addressOf(a.manager), "certificate": keyFiles.cert, "privateKey": keyFiles.key,
		"tlsPort": json.Number(port), "httpPort": 1, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]any{"authz": 1, "order": 1}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	a.run(filepath.Join(dir, "pebble-challtestsrv"), "-dnsserver", names, "-management", freePort(t), "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	a.run(filepath.Join(dir, "pebble"), "-config", filepath.Join(dir, "config.json"), "-dnsserver", names)
	return a
}

func (a *authority) run(path string, args ...string) {
	a.t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1") // it would wait as one far away
	cmd.Stdout, cmd.Stderr = &a.out, &a.out
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.processes = append(a.processes, cmd)
}

func (a *authority) stop() {
	for _, cmd := range a.processes {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	a.processes = nil
}

// roots are what the authority signs with.
func (a *authority) roots() *x509.CertPool {
	a.t.Helper()
	pool := x509.NewCertPool()
	resp, err := http.Get(a.manager + "/roots/0")
	if err != nil {
		a.t.Fatalf("%v\n%s", err, a.out.String())
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatalf("no root: %v in %s", err, text)
	}
	return pool
}

// TestIssued: with server.tls.auto a site has a certificate for each of its names from an authority, without a
// word by anybody; it keeps them, and nobody has it ask for others.
func TestIssued(t *testing.T) {
	t.Parallel() // it mostly waits for a build
	names := []string{"social.example", "www.social.example"}
	c := newChild(t, t.TempDir()+"/data", "BELFRY_SERVER_TLS_AUTO=true", "BELFRY_SERVER_TLS_EMAIL=ops@social.example",
		"BELFRY_SERVER_TLS_HOSTS="+strings.Join(names, ","), "BELFRY_SERVER_INSECURE_HTTP=false")
	_, port, _ := net.SplitHostPort(addressOf(c.URL))
	a := startAuthority(t, port)
	c.env = append(c.env, "BELFRY_SERVER_TLS_DIRECTORY="+a.Directory)
	c.mustStart()

	hello := func(name string, roots *x509.CertPool) (*tls.Conn, error) {
		d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}}
		conn, err := d.Dial("tcp", addressOf(c.URL))
		if err != nil {
			return nil, err
		}
		return conn.(*tls.Conn), nil
	}
	serials := func(roots *x509.CertPool) (out []string) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond) // nobody is told when they come
		defer tick.Stop()
		for began := time.Now(); len(out) < len(names); {
			conn, err := hello(names[len(out)], roots)
			if err == nil {
				shown := conn.ConnectionState().PeerCertificates[0]
				out = append(out, shown.SerialNumber.String())
				if key, ok := shown.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
					t.Errorf("the key is %+v", shown.PublicKey)
				}
				_ = conn.Close()
				continue
			}
			if <-tick.C; time.Since(began) > 3*deadline {
				c.kill()
				t.Fatalf("no certificate for %s: %v\n%s%s", names[len(out)], err, c.out, a.out.String())
			}
		}
		return out
	}
	roots := a.roots()
	first := serials(roots)
	conn, err := hello(names[1], roots)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/instance HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", names[1])
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) ||
		!bytes.Contains(answer, []byte("Strict-Transport-Security: max-age=31536000")) ||
		!bytes.Contains(answer, []byte(`"https://social.example:`+port+`"`)) {
		t.Errorf("%v: %s", err, answer)
	}

	asked := strings.Count(a.out.String(), "POST /order-plz")
	for _, name := range []string{"other.example", "sub.social.example", "localhost"} {
		if conn, err := hello(name, roots); err == nil {
			_ = conn.Close()
			t.Errorf("a certificate for %s", name)
		}
	}
	old := &tls.Config{ServerName: names[0], RootCAs: roots, MaxVersion: tls.VersionTLS12, // asks for one of another kind
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if conn, err := tls.Dial("tcp", addressOf(c.URL), old); err == nil {
		_ = conn.Close()
		t.Error("there is a certificate with RSA")
	}
	if n := strings.Count(a.out.String(), "POST /order-plz"); n != asked || asked < len(names) {
		t.Errorf("the authority had %d orders, and %d after strangers had come; names are %d", asked, n, len(names))
	}

	a.stop()
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.out)
	}
	c.mustStart()
	if again := serials(roots); strings.Join(again, " ") != strings.Join(first, " ") {
		t.Errorf("after a restart there are other certificates: %v, were %v", again, first)
	}
	for path, want := range map[string]os.FileMode{"": 0o700, "social.example": 0o600} {
		info, err := os.Stat(filepath.Join(c.Data, "belfry.certificates", path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", path, info, err)
		}
	}
}

// TestAuthorityAway: a site whose authority cannot be reached starts, says so, and stops in time.
func TestAuthorityAway(t *testing.T) {
	c := newChild(t, t.TempDir()+"/data", "BELFRY_SERVER_TLS_AUTO=true", "BELFRY_SERVER_TLS_HOSTS=social.example",
		"BELFRY_SERVER_TLS_DIRECTORY=https://"+freePort(t)+"/dir")
	c.mustStart()
	if conn, err := tls.Dial("tcp", addressOf(c.URL), &tls.Config{ServerName: "social.example"}); err == nil {
		_ = conn.Close()
		t.Error("there is a certificate")
	}
	c.term()
	if code := c.exit(deadline); code != 0 || !strings.Contains(c.out.String(), "no certificate yet") {
		t.Errorf("exit code %d:\n%s", code, c.out)
	}
}
