package server

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// TestObtain: after a failure an authority is asked again later and later, within what authorities allow, and no more
// once there is a certificate; handshakes do not ask.
func TestObtain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newIssued(TLSConfig{}, []string{"social.example"}, t.TempDir(), zap.NewNop())
		began := time.Now()
		var asked []time.Duration
		c.obtain(t.Context(), "social.example", func(string) error {
			if _, err := c.get(&tls.ClientHelloInfo{ServerName: "social.example"}); err == nil {
				t.Error("there is a certificate")
			}
			if asked = append(asked, time.Since(began)); len(asked) < 9 {
				return errors.New("no")
			}
			return nil
		})
		minutes := func(list ...int) (out []time.Duration) {
			for _, n := range list {
				out = append(out, time.Duration(n)*time.Minute)
			}
			return out
		}
		if want := minutes(0, 2, 6, 14, 30, 62, 122, 182, 242); !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
		if !c.have["social.example"] {
			t.Error("the certificate is not used")
		}
	})
}

// TestObtainStops: a server that ends waits neither for the next time nor for an answer.
func TestObtainStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newIssued(TLSConfig{}, []string{"social.example"}, t.TempDir(), zap.NewNop())
		never := make(chan struct{})
		for _, ask := range []func(string) error{
			func(string) error { return errors.New("no") },
			func(string) error { <-never; return nil },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			c.obtain(ctx, "social.example", ask)
			if took := time.Since(began); took != time.Minute {
				t.Errorf("it took %v", took)
			}
		}
		close(never)
	})
}
