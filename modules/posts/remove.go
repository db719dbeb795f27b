package posts

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Tombstone is the data of post.deleted.
type Tombstone struct {
	ID        modules.ID   `json:"id"`
	AuthorID  modules.ID   `json:"author_id"`
	DeletedAt modules.Time `json:"deleted_at"`
}

// Delete removes a post or comment of the actor. Everything about it leaves the outbox and the log, then its end
// is announced where its beginning was. What others wrote below it stays. ifMatch is the header, "" = none; it is
// compared with the tag of the post as this actor sees it now. Faults: not_found (also: somebody else's),
// precondition_failed.
func (s *Service) Delete(ctx context.Context, actor modules.Actor, id modules.ID, ifMatch string) error {
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		author, err := s.person(ctx, tx, actor)
		if err != nil {
			return err
		}
		r, found, err := ownRow(ctx, tx, actor.UserID, id)
		if err != nil {
			return err
		}
		if !found {
			return modules.NotFound()
		}
		if ok, err := matches(ifMatch, s.post(r, &author, actor.UserID)); err != nil || !ok {
			if err == nil {
				err = modules.NewFault(modules.CodePreconditionFailed, "The post has changed.")
			}
			return err
		}
		now := s.clock.Now()
		if err := outbox.Redact(ctx, tx, now, outbox.Match{Object: id}); err != nil {
			return err
		}
		if err := s.remove(ctx, tx, r, author, now); err != nil || !announced(r) {
			return err
		}
		return s.announceEnd(ctx, tx, r, now)
	})
	return failed(err, "delete", id)
}

// remove empties a row and says so to other modules.
func (s *Service) remove(ctx context.Context, tx storage.Tx, r row, author modules.UserRef, now modules.Time) error {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	if err := emptyRow(ctx, tx, r, key, now); err != nil {
		return err
	}
	return s.bus.Emit(ctx, tx, event.PostRemoved{Post: s.info(r, author), At: now})
}

func (s *Service) announceEnd(ctx context.Context, tx storage.Tx, r row, now modules.Time) error {
	data, err := json.Marshal(Tombstone{ID: r.id, AuthorID: r.author, DeletedAt: now})
	if err != nil {
		return err
	}
	_, err = outbox.Add(ctx, tx, outbox.Announcement{Stream: modules.Stream{Kind: modules.By, User: r.author}, Type: event.PostDeletedEvent,
		Actor: r.author, Object: r.id, About: []modules.ID{r.author}, Time: now, Data: data})
	return err
}

// matches compares an If-Match header (RFC 9110 13.1.1: "*", or strong tags) with the tag that GET gives the post,
// whose body the host writes with json.Marshal.
func matches(header string, p Post) (bool, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return true, nil
	}
	body, err := json.Marshal(p)
	if err != nil {
		return false, err
	}
	tag := modules.ETagOf(body, false)
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(one) == tag {
			return true, nil
		}
	}
	return false, nil
}
