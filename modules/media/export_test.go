package media

import (
	"context"
	"testing"
	"time"
)

// SetPatience is how long an answer waits.
func (s *Service) SetPatience(d time.Duration) { s.patience = d }

// HoldTurns lets no picture be decoded until free is called.
func (s *Service) HoldTurns(t *testing.T) (free func()) {
	t.Helper()
	if err := s.memory.Acquire(context.Background(), int64(s.cfg.DecodeMemory)); err != nil {
		t.Fatal(err)
	}
	return func() { s.memory.Release(int64(s.cfg.DecodeMemory)) }
}

// Wait waits for the pictures that are in work.
func (s *Service) Wait() { s.working.Wait() }

// Ending is closed when the service is told to stop.
func (s *Service) Ending() <-chan struct{} { return s.base.Done() }
