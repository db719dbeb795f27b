package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestHandshakeNobodyReads: the time of a read bounds what TLS writes for it, to a client that takes nothing.
func TestHandshakeNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		form := &x509.Certificate{SerialNumber: big.NewInt(1)}
		public, err2 := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe() // holds nothing
		defer far.Close()
		c := &conn{socket: near, lingering: &lingering{}, Conn: tls.Server(near, &tls.Config{MinVersion: tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{public}, PrivateKey: key}}})}
		go func() { // its hello, and then it waits
			_ = tls.Client(deaf{far}, &tls.Config{InsecureSkipVerify: true}).Handshake() //nolint:gosec // of the test
		}()
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		c.cut()
	})
}

// deaf is a connection whose end reads nothing.
type deaf struct{ net.Conn }

func (d deaf) Read([]byte) (int, error) { return 0, net.ErrClosed }
