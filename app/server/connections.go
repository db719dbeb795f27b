package server

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// connections knows the open connections that are not taken over, and on which of them nothing has come yet.
// fasthttp takes those for busy and would wait for them at the end: browsers open connections ahead of need. Safe
// for concurrent use.
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

// close ends the connections, or only those on which nothing has come.
func (l *connections) close(silentOnly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, silent := range l.silent {
		if silent || !silentOnly {
			_ = c.Close() // the other end may have done it
		}
	}
}
