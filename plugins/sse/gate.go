package sse

import "sync"

// gate counts the requests on their way from the server to the hub, and lets nobody in while it is shut. The
// zero gate is shut.
type gate struct {
	mu     sync.Mutex
	isOpen bool
	inside int
	nobody chan struct{} // closed once it is shut and nobody is inside; nil = nobody waits
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isOpen = true
}

// shut lets nobody in from now on. The channel is closed when the last one inside has left.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isOpen = false
	if g.nobody == nil {
		g.nobody = make(chan struct{})
		if g.inside == 0 {
			close(g.nobody)
		}
	}
	return g.nobody
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOpen {
		g.inside++
	}
	return g.isOpen
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.nobody != nil {
		close(g.nobody)
	}
}
