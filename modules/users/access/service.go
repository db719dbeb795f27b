package access

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Config is how long a session lives.
type Config struct {
	SessionIdle time.Duration // after its last use
	SessionMax  time.Duration // after login
}

// Service is the room. All methods may be called from many goroutines.
type Service struct {
	cfg    Config
	cookie Cookie
	db     storage.DB
	clock  social.Clock
	pages  *social.PageCursors
	log    *zap.Logger

	checked *storage.Cache[secretHash, checked]
	ends    atomic.Uint64 // moves with every Forget
	uses    *uses
}

// New has no side effects. The site's public URL decides the form of the cookie.
func New(cfg Config, site social.Site, db storage.DB, clock social.Clock, pages *social.PageCursors,
	log *zap.Logger) *Service {
	cookie := Cookie{Name: site.CookieName(), Secure: strings.HasPrefix(site.PublicURL, "https://")}
	return &Service{cfg: cfg, cookie: cookie, db: db, clock: clock, pages: pages,
		log: log, checked: storage.NewCache[secretHash, checked](maxChecked, nil), uses: newUses()}
}

func (s *Service) Jobs() []social.Job {
	return []social.Job{
		{Name: "users: note last uses", Every: 10 * time.Second, Run: s.noteUses},
		{Name: "users: drop checked secrets", Every: 10 * believed, Run: s.dropChecked},
		{Name: "users: drop what has expired", Every: time.Minute, Run: s.dropExpired},
	}
}

// End removes, in tx, a person's sessions but keep (zero = all), their tickets, and tokens if told so. Devices stay
// known: all that gives them is that strangers' guesses do not keep the owner out, who needs it most when the account
// is given back. Whoever calls it announces the end with Revoke and, after the commit, calls Forget.
func (s *Service) End(ctx context.Context, tx storage.Tx, person, keep social.ID, tokens bool) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE user_id = $1 AND id <> $2`, person, keep[:]); err != nil {
		return err
	}
	if !tokens {
		return nil
	}
	_, err := tx.Exec(ctx, `DELETE FROM tokens WHERE user_id = $1`, person)
	return err
}

// Revoke announces, inside the transaction that ends it, the end of a person's access; the zero value of which means
// all.
func (s *Service) Revoke(ctx context.Context, tx storage.Tx, person social.ID, which social.AccessRevokedData) error {
	data, err := json.Marshal(which)
	if err != nil {
		return err
	}
	return s.announce(ctx, tx, person, social.EventAccessRevoked, data)
}

// Readmit announces that a suspension is over, inside the transaction that ends it: without it streams of the same
// sessions would be ended for as long as the revocation is remembered.
func (s *Service) Readmit(ctx context.Context, tx storage.Tx, person social.ID) error {
	return s.announce(ctx, tx, person, social.EventAccessRestored, []byte(`{}`))
}

func (s *Service) announce(ctx context.Context, tx storage.Tx, person social.ID, typ string, data []byte) error {
	return outbox.Announce(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: person},
		Type: typ, Internal: true, Time: s.clock.Now(), Data: data})
}
