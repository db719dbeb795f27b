package sse

import (
	"fmt"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// seats is plugins.Connections with caps.
type seats struct {
	mu        sync.Mutex
	total     int
	perPerson int
	open      int
	people    map[social.ID][]*seat
	spendless bool
	opened    int
	changed   sync.Cond
}

type seat struct {
	evict  func(plugins.ByeReason)
	token  social.ID
	closed bool
}

func newSeats() *seats {
	s := &seats{total: 1 << 20, perPerson: 1 << 20, people: map[social.ID][]*seat{}}
	s.changed.L = &s.mu
	return s
}

func (s *seats) Open(a social.Actor, evict func(plugins.ByeReason)) (func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.total {
		return nil, false
	}
	k := &seat{evict: evict, token: a.TokenID}
	s.open++
	s.opened++
	list := append(s.people[a.UserID], k)
	if len(list) > s.perPerson {
		go list[0].evict(plugins.ByeTooMany)
		list = list[1:]
	}
	s.people[a.UserID] = list
	s.changed.Broadcast()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if k.closed {
			return
		}
		k.closed = true
		s.open--
		kept := s.people[a.UserID][:0:0]
		for _, other := range s.people[a.UserID] {
			if other != k {
				kept = append(kept, other)
			}
		}
		s.people[a.UserID] = kept
		s.changed.Broadcast()
	}, true
}

func (s *seats) Spend(social.Actor, string) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Minute, !s.spendless
}

func (s *seats) revoke(person social.ID, token social.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.people[person] {
		if token.IsZero() || k.token == token {
			go k.evict(plugins.ByeRevoked)
		}
	}
}

func (s *seats) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// await waits until n connections are open.
func (s *seats) await(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := false
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.changed.Broadcast()
	})
	defer timer.Stop()
	for s.open != n {
		if late {
			panic(fmt.Sprintf("%d connections are open, want %d", s.open, n))
		}
		s.changed.Wait()
	}
}

var _ plugins.Connections = (*seats)(nil)
