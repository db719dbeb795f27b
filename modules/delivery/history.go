package delivery

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// OpenLog gives the event log, or nil as long as it is not open: the log is opened when the program starts, after
// everything was constructed. It is asked often and from many goroutines.
type OpenLog func() storage.Log

// History reads the log for a person. Before the log is open it has neither head nor events.
type History struct{ open OpenLog }

// Read is storage.Log.Read; storage.ErrClosed before the log is open.
func (h *History) Read(ctx context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage, error) {
	log := h.open()
	if log == nil {
		return social.EventPage{}, storage.ErrClosed
	}
	return log.Read(ctx, a, after, limit)
}

// Head is the newest durable position, and what lists answer as Belfry-Cursor; zero before the log is open.
func (h *History) Head() social.Cursor {
	if log := h.open(); log != nil {
		return log.Head()
	}
	return social.Cursor{}
}

// Oldest is the cursor after which everything kept follows; zero before the log is open.
func (h *History) Oldest() social.Cursor {
	if log := h.open(); log != nil {
		return log.Oldest()
	}
	return social.Cursor{}
}

var _ plugins.History = (*History)(nil)
