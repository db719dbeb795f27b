package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Each client asks on its own until its time is over; a bad answer is counted, and many of them end the
func TestLoad(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "null")
	}))
	defer s.Close()
	address := s.Listener.Addr().String()
	get := func(c *Caller, which, n int) error {
		if which == 1 {
			return errors.New("no")
		}
		_, err := c.Get("/", Person{}, new(any))
		return err
	}
	r := Load{Address: address, Clients: 3, Lasts: 50 * time.Millisecond}.Run(t.Context(), get)
	if r.Checked.Failed != enough || r.Latency.N() != int(asked.Load())+enough || asked.Load() < 2 {
		t.Errorf("%d failed, %d measured, %d asked", r.Checked.Failed, r.Latency.N(), asked.Load())
	}
	asked.Store(0)
	r = Load{Address: address, Clients: 2, Lasts: 100 * time.Millisecond, Rate: 200}.Run(t.Context(),
		func(c *Caller, _, n int) error { return get(c, 0, n) })
	if asked.Load() != 20 || r.Latency.N() != 20 {
		t.Errorf("%d requests at 200/s in 100 ms", asked.Load())
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if r := (Load{Address: address, Clients: 2, Lasts: time.Hour}).Run(ended, get); r.Latency.N() > 2 {
		t.Errorf("%d requests after the end", r.Latency.N())
	}
}
