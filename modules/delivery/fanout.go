package delivery

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// fanoutPage is how many endpoints one step of a fan-out goes through.
const fanoutPage = 200

// fanOut is the goroutine that carries posts to the endpoints of bell followers, oldest post first, page by page.
// It is woken by new work, and looks by itself now and then for what another node left behind.
func (s *Service) fanOut(ctx context.Context) {
	for {
		more, err := s.fanOutStep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("fan-out of a post", zap.Error(err))
			pause(ctx, time.Second)
		case more:
			s.wakeSenders()
		default:
			s.await(ctx, s.wake, idle)
		}
	}
}

// fanOutStep does one page of the oldest job: its deliveries and the job's place move in one transaction.
func (s *Service) fanOutStep(ctx context.Context) (more bool, err error) {
	var position social.Position
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT position FROM fanouts ORDER BY position LIMIT 1`).Scan(&position)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	post, err := s.postAt(ctx, position)
	if err != nil {
		return false, err
	}
	now := s.clock.Now()
	return true, s.db.InTx(ctx, func(tx storage.Tx) error {
		var done int64
		err := tx.QueryRow(ctx, `SELECT done_key FROM fanouts WHERE position = $1`, int64(position)).Scan(&done)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another node ended it
		}
		if err != nil {
			return err
		}
		if post != nil {
			last, err := s.fanOutPage(ctx, tx, *post, done, now)
			if err != nil {
				return err
			}
			if last != 0 {
				_, err = tx.Exec(ctx, `UPDATE fanouts SET done_key = $2 WHERE position = $1`, int64(position), last)
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM fanouts WHERE position = $1`, int64(position))
		return err
	})
}

// fanOutPage makes the deliveries of one page of endpoints and returns the last key, 0 when there are no more.
func (s *Service) fanOutPage(ctx context.Context, tx storage.Tx, p post, done int64, now social.Time) (int64, error) {
	page, err := list(ctx, tx, scanEndpoint, `SELECT `+endpointColumns+` FROM endpoints
		WHERE wants_posts = 1 AND disabled = '' AND deleted_at IS NULL AND key > $1 ORDER BY key LIMIT $2`, done, fanoutPage)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	owners := make([]social.ID, 0, len(page))
	for _, e := range page {
		if !slices.Contains(owners, e.owner) {
			owners = append(owners, e.owner)
		}
	}
	edges, err := s.Ports.Follows.BellFollowers(ctx, tx, p.author, owners)
	if err != nil {
		return 0, err
	}
	for _, e := range page {
		edge, ok := edges[e.owner]
		if !ok || edge.Since >= p.position || e.since >= p.position || slices.Contains(p.mentioned, e.owner) || s.senders[e.channel] == nil {
			continue
		}
		d := delivery{id: social.NewID(), endpoint: e.id, position: p.position, eventType: social.EventPostCreated, notification: p.id}
		if err := addDelivery(ctx, tx, d, now); err != nil {
			return 0, err
		}
	}
	if len(page) < fanoutPage {
		return 0, nil
	}
	return page[len(page)-1].key, nil
}

// post is what a fan-out needs of a post.created.
type post struct {
	position  social.Position
	id        social.ID
	author    social.ID
	mentioned []social.ID // they have a notification of their own for it
}

// postAt reads a post from the log; nil when it is gone from there, or can never be read again.
func (s *Service) postAt(ctx context.Context, position social.Position) (*post, error) {
	e, ok, err := s.History.open().At(ctx, position)
	if gap := (*social.GapError)(nil); errors.As(err, &gap) {
		s.log.Error("post cannot be read: not delivered", zap.Error(err))
		return nil, nil
	}
	if err != nil || !ok || len(e.Data) == 0 {
		return nil, err
	}
	var data struct {
		ID       social.ID `json:"id"`
		Mentions []struct {
			UserID social.ID `json:"user_id"`
		} `json:"mentions"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		s.log.Error("post cannot be read: not delivered", zap.Stringer("event", e.Cursor), zap.Error(err))
		return nil, nil
	}
	p := &post{position: position, id: data.ID, author: e.Stream.User}
	for _, m := range data.Mentions {
		p.mentioned = append(p.mentioned, m.UserID)
	}
	return p, nil
}
