package users

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Service is the module. All methods may be called from many goroutines, Ports is set before the first call.
type Service struct {
	Ports Ports

	cfg     Config
	site    social.Site
	db      storage.DB
	bus     *event.Bus
	clock   social.Clock
	pages   *social.PageCursors
	log     *zap.Logger
	hasher  *hasher
	access  *accessCache
	names   *names
	touched *touches
}

// New has no side effects. cfg has passed Validate; the site's public URL decides the form of the cookie.
func New(cfg Config, site social.Site, db storage.DB, bus *event.Bus, clock social.Clock, pages *social.PageCursors, log *zap.Logger) *Service {
	return &Service{
		Ports:   Ports{Follows: noFollows{}, Limits: social.Unlimited{}},
		cfg:     cfg,
		site:    site,
		db:      db,
		bus:     bus,
		clock:   clock,
		pages:   pages,
		log:     log.Named("users"),
		hasher:  newHasher(cfg.HashWait),
		access:  newAccessCache(),
		names:   newNames(),
		touched: newTouches(),
	}
}

// Cookie is the form of this site's session cookie. The host reads the cookie of that name.
func (s *Service) Cookie() Cookie {
	return Cookie{Secure: strings.HasPrefix(s.site.PublicURL, "https://")}
}

// Jobs are the module's background work.
func (s *Service) Jobs() []social.Job {
	return []social.Job{
		{Name: "users: note last uses", Every: 10 * time.Second, Run: s.noteUses},
		{Name: "users: learn names", Every: time.Second / 4, Run: s.learnNames},
		{Name: "users: forget checked secrets", Every: 10 * accessTTL, Run: s.forgetSecrets},
		{Name: "users: drop what has expired", Every: time.Minute, Run: s.dropExpired},
	}
}

// now is the time of one act.
func (s *Service) now() social.Time { return s.clock.Now() }

// take spends one of a budget and gives the fault "rate_limited" when nothing is left.
func (s *Service) take(b social.Budget, key string) error {
	retry, ok := s.Ports.Limits.Take(b, key)
	if ok {
		return nil
	}
	return &social.Fault{Code: social.CodeRateLimited, Detail: "Too many attempts. Try again later.", RetryAfter: retry}
}

// inTx is db.InTx, followed, when it committed, by forgetting the cached access of those who match.
func (s *Service) inTx(ctx context.Context, forget func(social.Actor) bool, fn func(tx storage.Tx) error) error {
	if err := s.db.InTx(ctx, fn); err != nil {
		return err
	}
	s.access.forget(forget)
	return nil
}
