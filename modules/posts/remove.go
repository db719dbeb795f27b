package posts

import (
	"context"
	"encoding/json"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Tombstone is the data of post.deleted.
type Tombstone struct {
	ID        social.ID   `json:"id"`
	AuthorID  social.ID   `json:"author_id"`
	DeletedAt social.Time `json:"deleted_at"`
}

// Delete removes a post or comment of the actor. Everything about it leaves the outbox and the log, then its end is
// announced where its beginning was. What others wrote below it stays. ifMatch is the header, "" = none, compared with
// the tag of the post as the actor sees it now. Faults: not_found (also: another person's), precondition_failed.
//
// The first transaction decides, and redacts one page of announcements; other pages follow before the answer, each in a
// transaction of its own. After an error the post may be deleted; its last pages are then a job's.
func (s *Service) Delete(ctx context.Context, actor social.Actor, id social.ID, ifMatch string) error {
	err := s.end(ctx, id, func(tx storage.Tx) (row, social.UserRef, error) { return s.own(ctx, tx, actor, id, ifMatch) })
	return social.Wrap(err, "posts: delete %s", id)
}

// own gives a post of the actor, if it is as the header If-Match wants it.
func (s *Service) own(ctx context.Context, tx storage.Tx, actor social.Actor, id social.ID,
	ifMatch string) (row, social.UserRef, error) {
	author, err := s.person(ctx, tx, actor)
	if err != nil {
		return row{}, author, err
	}
	r, found, err := ownRow(ctx, tx, actor.UserID, id)
	if err != nil {
		return r, author, err
	}
	if !found {
		return r, author, social.NotFound()
	}
	ok, err := matches(ifMatch, s.post(r, &author, actor.UserID))
	if err == nil && !ok {
		err = social.NewFault(social.CodePreconditionFailed, "The post has changed.")
	}
	return r, author, err
}

// end removes the post that find gives, or tells why not.
func (s *Service) end(ctx context.Context, id social.ID,
	find func(tx storage.Tx) (row, social.UserRef, error)) error {
	var rest int64
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		rest = 0
		r, author, err := find(tx)
		if err != nil {
			return err
		}
		now := s.clock.Now()
		if rest, err = s.redactPage(ctx, tx, id, 0); err != nil {
			return err
		}
		if err := s.remove(ctx, tx, r, author, now); err != nil || !announced(r) {
			return err
		}
		return s.announceEnd(ctx, tx, r, now)
	})
	for err == nil && rest != 0 {
		var left int64
		err = s.db.InTx(ctx, func(tx storage.Tx) (err error) {
			left, err = s.redactPage(ctx, tx, id, rest)
			return err
		})
		rest = left
	}
	return err
}

// redactPage empties one page of what was announced of a post before an outbox id, 0 = by now, and keeps where to go
// on; 0 = nothing is left.
func (s *Service) redactPage(ctx context.Context, tx storage.Tx, id social.ID, before int64) (int64, error) {
	rest, err := outbox.RedactPage(ctx, tx, s.clock.Now(), outbox.Match{Object: id, Before: before})
	switch {
	case err != nil || rest == before:
		return rest, err
	case before == 0:
		_, err = tx.Exec(ctx, `INSERT INTO post_redactions (post_id, before_id) VALUES ($1, $2)`, id, rest)
	default:
		_, err = tx.Exec(ctx, `DELETE FROM post_redactions WHERE post_id = $1`, id)
	}
	return rest, err
}

// goOnRedacting does one page for a post whose deletion was cut off behind its first page.
func (s *Service) goOnRedacting(ctx context.Context) (more bool, err error) {
	var id social.ID
	var before int64
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT post_id, before_id FROM post_redactions ORDER BY post_id LIMIT 1`).Scan(&id, &before)
	})
	if found, err := storage.Found(err); !found {
		return false, social.Wrap(err, "posts: redactions")
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := s.redactPage(ctx, tx, id, before)
		return err
	})
	return true, social.Wrap(err, "posts: redact %s", id)
}

// remove empties a row and says so to other modules.
func (s *Service) remove(ctx context.Context, tx storage.Tx, r row, author social.UserRef, now social.Time) error {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	if err := emptyRow(ctx, tx, r, key, now); err != nil {
		return err
	}
	return s.bus.Emit(ctx, tx, event.PostRemoved{Post: s.info(r, author), At: now})
}

func (s *Service) announceEnd(ctx context.Context, tx storage.Tx, r row, now social.Time) error {
	data, err := json.Marshal(Tombstone{ID: r.id, AuthorID: r.author, DeletedAt: now})
	if err != nil {
		return err
	}
	return outbox.Announce(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: r.author},
		Type: social.EventPostDeleted, Actor: r.author, Object: r.id, About: []social.ID{r.author}, Time: now, Data: data})
}

// matches compares an If-Match header with the tag that GET gives the post, whose body the host writes with
// json.Marshal. No header matches.
func matches(header string, p Post) (bool, error) {
	if header == "" {
		return true, nil
	}
	body, err := json.Marshal(p)
	if err != nil {
		return false, err
	}
	return social.HasETag(header, social.ETagOf(body, false), false), nil
}
