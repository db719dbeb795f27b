package notifications

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Service keeps notifications. Its methods may be called from many goroutines; Ports is set before.
type Service struct {
	Ports Ports

	cfg   Config
	db    storage.DB
	clock social.Clock
	site  social.Site
	pages *social.PageCursors
	log   *zap.Logger
}

// New makes a Service whose ports answer as if the other modules were left out.
func New(cfg Config, db storage.DB, clock social.Clock, site social.Site, pages *social.PageCursors,
	log *zap.Logger) *Service {
	return &Service{cfg: cfg, db: db, clock: clock, site: site, pages: pages, log: log.Named("notifications"),
		Ports: Ports{Users: event.Absent{}, Posts: event.Absent{}, Follows: event.Absent{}, Log: event.Absent{}}}
}

// Get gives one notification or derived item of a person. NotFound also when it is another's or was withdrawn.
func (s *Service) Get(ctx context.Context, person, id social.ID) (n Notification, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		v, r, err := s.find(ctx, q, person, id)
		if err != nil {
			return err
		}
		n, err = s.renderOne(ctx, q, v, r)
		return err
	})
	return n, err
}

// Withdrawn reports whether a notification is shown no more: withdrawn, deleted, or not there. Whoever is about to
// deliver it asks.
func (s *Service) Withdrawn(ctx context.Context, q storage.Querier, notification social.ID) (bool, error) {
	r, err := rowByID(ctx, q, notification)
	if err != nil {
		return false, fmt.Errorf("notifications: %s: %w", notification, err)
	}
	if r == nil || !r.shown() {
		return true, nil
	}
	return isGone(ctx, q, r)
}

// find gives one item that is shown to a person.
func (s *Service) find(ctx context.Context, q storage.Querier, person, id social.ID) (*viewer, *row, error) {
	v, err := s.viewer(ctx, q, person)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.visible(ctx, q, v, id, rowByID)
	return v, r, err
}

// stored reads one row by the id of something; nil = there is none.
type stored func(ctx context.Context, q storage.Querier, id social.ID) (*row, error)

// mine gives a row of the viewer's in any state, or else the viewer's derived item of that id. NotFound if it is
// neither.
func (s *Service) mine(ctx context.Context, q storage.Querier, v *viewer, id social.ID, get stored) (*row, error) {
	r, err := get(ctx, q, id)
	if err == nil && r == nil {
		r, err = s.derivedByID(ctx, q, v, id)
	}
	if err == nil && (r == nil || r.receiver != v.person) {
		err = social.NotFound()
	}
	return r, err
}

// visible is mine for what is shown: one item (rowByID), or the newest member of a group (headOf).
func (s *Service) visible(ctx context.Context, q storage.Querier, v *viewer, id social.ID, get stored) (*row, error) {
	r, err := s.mine(ctx, q, v, id, get)
	if err != nil || r.post != nil {
		return r, err
	}
	gone, err := isGone(ctx, q, r)
	if err == nil && (gone || !r.shown()) {
		err = social.NotFound()
	}
	return r, err
}

func (s *Service) renderOne(ctx context.Context, q storage.Querier, v *viewer, r *row) (Notification, error) {
	list, err := s.render(ctx, q, v.marks, castOf(nil), []row{*r}, r.head)
	if err != nil {
		return Notification{}, err
	}
	return list[0], nil
}
