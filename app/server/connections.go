package server

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// connections are the open connections that no channel took over, true = no byte has arrived. fasthttp counts a
// silent connection as busy and would wait for it at shutdown; browsers open them ahead of need. Safe for concurrent
// use.
type connections struct {
	mu     sync.Mutex
	silent map[net.Conn]bool
}

// note is fasthttp's ConnState.
func (l *connections) note(c net.Conn, state fasthttp.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case fasthttp.StateNew:
		if l.silent == nil {
			l.silent = map[net.Conn]bool{}
		}
		l.silent[c] = true
	case fasthttp.StateActive:
		if _, known := l.silent[c]; known { // a connection served directly, in a test, was never new
			l.silent[c] = false
		}
	case fasthttp.StateHijacked, fasthttp.StateClosed:
		delete(l.silent, c)
	}
}

// close closes all connections, or the silent ones only.
func (l *connections) close(silentOnly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, silent := range l.silent {
		if silent || !silentOnly {
			_ = c.Close() // the other end may have done it
		}
	}
}
