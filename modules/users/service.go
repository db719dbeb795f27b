package users

import (
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage"
)

// Service is the module. All methods may be called from many goroutines, Ports is set before the first call.
type Service struct {
	Ports Ports
	*access.Service

	cfg    Config
	site   social.Site
	db     storage.DB
	bus    *event.Bus
	clock  social.Clock
	pages  *social.PageCursors
	hasher *hasher
	names  *storage.Cache[social.ID, *name]
}

// What the room calls its things, for those who use it through this module.
type (
	Session      = access.Session
	Ticket       = access.Ticket
	Token        = access.Token
	TokenDraft   = access.TokenDraft
	ServiceToken = access.ServiceToken
)

// Bounds of the room.
const (
	TicketTTL   = access.TicketTTL
	MaxSessions = access.MaxSessions
	MaxTokens   = access.MaxTokens
)

// New has no side effects. cfg has passed Validate; the site's public URL decides the form of the cookie.
func New(cfg Config, site social.Site, db storage.DB, bus *event.Bus, clock social.Clock, pages *social.PageCursors,
	log *zap.Logger) *Service {
	room := access.Config{SessionIdle: cfg.SessionIdle, SessionMax: cfg.SessionMax}
	return &Service{
		Ports:   Ports{Limits: social.Unlimited{}, Media: event.Absent{}},
		Service: access.New(room, site, db, clock, pages, log.Named("users")),
		cfg:     cfg, site: site, db: db, bus: bus, clock: clock, pages: pages, hasher: newHasher(cfg.Hashes, cfg.HashWait),
		names: storage.NewCache[social.ID, *name](maxNames, nil),
	}
}

func (s *Service) now() social.Time { return s.clock.Now() }

// spend takes one of a budget and gives the fault "rate_limited" when nothing is left.
func (s *Service) spend(b social.Budget, key string) error {
	retry, ok := s.Ports.Limits.Take(b, key)
	if ok {
		return nil
	}
	return limited(retry)
}

func limited(retry time.Duration) *social.Fault {
	return &social.Fault{Code: social.CodeRateLimited, Detail: "Too many attempts. Try again later.", RetryAfter: retry}
}
