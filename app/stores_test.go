package app

import (
	"errors"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// TestLogBeforeItIsOpen: whoever asks early is told of no head, and reads nothing.
func TestLogBeforeItIsOpen(t *testing.T) {
	l := &eventLog{}
	if head, oldest := l.Head(), l.Kept().Oldest(); !head.IsZero() || !oldest.IsZero() {
		t.Errorf("head %s, oldest %s; want none", head, oldest)
	}
	if _, err := l.Read(t.Context(), social.Audience{}, social.Cursor{}, 1); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("read gave %v, want storage.ErrClosed", err)
	}
}
