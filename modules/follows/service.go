package follows

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Service keeps who follows whom. All methods may be called from many goroutines.
type Service struct {
	Ports Ports // set before start

	cfg       Config
	db        storage.DB
	bus       *event.Bus
	clock     social.Clock
	pages     *social.PageCursors
	following *storage.Cache[social.ID, keptEdges]
}

// New makes the service with absent answers in Ports. It does nothing else.
func New(cfg Config, db storage.DB, bus *event.Bus, clock social.Clock, pages *social.PageCursors) *Service {
	return &Service{Ports: Ports{Users: event.Absent{}}, cfg: cfg, db: db, bus: bus, clock: clock, pages: pages,
		following: storage.NewCache[social.ID](cfg.CachedEdges, keptEdges.weight)}
}

// Wishes are what a follower may ask for; nil = true on a new follow, unchanged on an existing one.
type Wishes struct {
	Bell    *bool
	Reposts *bool
}

// Follow makes actor follow a person, or changes the wishes of a follow that is there. Done again it answers the
// same and changes nothing: no announcement, no fact. Faults: self_target, not_found for a person who is not
// there, limit_reached.
func (s *Service) Follow(ctx context.Context, actor social.Actor, followed social.ID,
	w Wishes) (social.Relationship, error) {
	var answer social.Relationship
	err := s.change(ctx, actor, followed, func(tx storage.Tx, people map[social.ID]social.UserRef, now social.Time) error {
		p, err := pairOf(ctx, tx, actor.UserID, followed)
		switch {
		case err != nil:
			return err
		case p.forth == nil:
			err = s.begin(ctx, tx, people[actor.UserID], people[followed], &p, w, now)
		default:
			err = s.rewish(ctx, tx, &p, w, now)
		}
		answer = p.relation()
		return err
	})
	return answer, social.Wrap(err, "follows: follow %s", followed)
}

// Unfollow ends a follow. Done again it answers the same and changes nothing. Faults: self_target, not_found for
// a person who is not there.
func (s *Service) Unfollow(ctx context.Context, actor social.Actor, followed social.ID) (social.Relationship, error) {
	var answer social.Relationship
	err := s.change(ctx, actor, followed, func(tx storage.Tx, _ map[social.ID]social.UserRef, now social.Time) error {
		was, err := deleteEdge(ctx, tx, actor.UserID, followed)
		if err != nil {
			return err
		}
		p, err := pairOf(ctx, tx, actor.UserID, followed)
		if err != nil {
			return err
		}
		answer = p.relation()
		if !was {
			return nil
		}
		if err := s.changed(ctx, tx, actor.UserID); err != nil {
			return err
		}
		if err := p.announce(ctx, tx, actor.UserID, now); err != nil {
			return err
		}
		if err := p.reversed().announce(ctx, tx, actor.UserID, now); err != nil {
			return err
		}
		return s.bus.Emit(ctx, tx, event.FollowEnded{Follower: actor.UserID, Followed: followed, At: now})
	})
	return answer, social.Wrap(err, "follows: unfollow %s", followed)
}

// change runs fn in a transaction in which both people are there.
func (s *Service) change(ctx context.Context, actor social.Actor, other social.ID,
	fn func(tx storage.Tx, people map[social.ID]social.UserRef, now social.Time) error) error {
	if actor.UserID.IsZero() {
		return social.NewFault(social.CodeUnauthenticated, "Sign in first.")
	}
	if actor.UserID == other {
		return social.NewFault(social.CodeSelfTarget, "You cannot follow yourself.")
	}
	return s.db.InTx(ctx, func(tx storage.Tx) error {
		people, err := s.Ports.Users.Refs(ctx, tx, []social.ID{actor.UserID, other})
		if err != nil {
			return err
		}
		if _, ok := people[actor.UserID]; !ok { // the account ended while the request was on its way
			return social.NewFault(social.CodeInvalidToken, "This account has ended.")
		}
		if _, ok := people[other]; !ok {
			return social.NotFound()
		}
		return fn(tx, people, s.clock.Now())
	})
}

// begin writes a new follow into the store and p. The follower's announcement comes first: its outbox id is the
// follow's since.
func (s *Service) begin(ctx context.Context, tx storage.Tx, follower, followed social.UserRef, p *pair, w Wishes,
	now social.Time) error {
	full, err := isFull(ctx, tx, follower.ID, s.cfg.MaxFollowing)
	if err != nil {
		return err
	}
	if full {
		return social.NewFault(social.CodeLimitReached, fmt.Sprintf("At most %d people can be followed.", s.cfg.MaxFollowing))
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	e := edge{follower: follower.ID, followed: followed.ID, key: key, bell: wish(w.Bell, true),
		reposts: wish(w.Reposts, true), createdAt: now}
	p.forth = &e
	own, err := p.announcement(follower.ID, now)
	if err != nil {
		return err
	}
	id, err := outbox.Add(ctx, tx, own)
	if err != nil {
		return err
	}
	e.since = social.Position(id)
	if err := insertEdge(ctx, tx, e); err != nil {
		return err
	}
	if err := mark(ctx, tx, follower.ID, key); err != nil {
		return err
	}
	if err := p.reversed().announce(ctx, tx, follower.ID, now); err != nil {
		return err
	}
	return s.bus.Emit(ctx, tx, event.FollowStarted{Follower: follower, Followed: followed, At: now})
}

// rewish changes bell and reposts of a follow. Only the follower's own relation changes by it.
func (s *Service) rewish(ctx context.Context, tx storage.Tx, p *pair, w Wishes, now social.Time) error {
	e := p.forth
	bell, reposts := wish(w.Bell, e.bell), wish(w.Reposts, e.reposts)
	if bell == e.bell && reposts == e.reposts {
		return nil
	}
	e.bell, e.reposts = bell, reposts
	if err := setWishes(ctx, tx, *e); err != nil {
		return err
	}
	if err := s.changed(ctx, tx, e.follower); err != nil {
		return err
	}
	return p.announce(ctx, tx, e.follower, now)
}

// changed notes that what follower follows has changed.
func (s *Service) changed(ctx context.Context, tx storage.Tx, follower social.ID) error {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	return mark(ctx, tx, follower, key)
}

func wish(asked *bool, otherwise bool) bool {
	if asked == nil {
		return otherwise
	}
	return *asked
}
