package pipeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// fanoutPage is how many endpoints one step of a fan-out goes through.
const fanoutPage = 200

// fanOut is the goroutine that carries posts to the endpoints of bell followers, page by page. Authors take turns, each
// with the oldest post first, so that nobody's posts wait for more than a page of each other author. New work wakes
// it, and it looks now and then for what another node left behind.
func (p *Pipeline) fanOut(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := p.fanOutStep(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.Error("fan-out of a post", zap.Error(err))
			dispatch.Pause(ctx, nil, time.Second)
		case more:
			p.wakeSenders()
		default:
			dispatch.Pause(ctx, p.wake, idle)
		}
	}
}

// fanOutStep does one page of the job whose turn it is: its deliveries and the job's place move in one transaction.
func (p *Pipeline) fanOutStep(ctx context.Context) (more bool, err error) {
	var position social.Position
	var author social.ID
	err = p.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT position, author_id FROM fanouts WHERE turn IS NOT NULL
			ORDER BY turn, position LIMIT 1`).Scan(&position, &author)
	})
	if found, err := storage.Found(err); !found {
		return false, err
	}
	post, err := p.postAt(ctx, position)
	if err != nil {
		return false, err
	}
	return true, p.db.InTx(ctx, func(tx storage.Tx) error {
		var done int64
		err := tx.QueryRow(ctx, `SELECT done_key FROM fanouts WHERE position = $1`, int64(position)).Scan(&done)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another node ended it
		}
		if err == nil && post != nil {
			done, err = p.fanOutPage(ctx, tx, *post, done)
		}
		if err != nil {
			return err
		}
		if post != nil && done != 0 {
			key, err := tx.NextKey(ctx)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE fanouts SET done_key = $2, turn = $3 WHERE position = $1`, int64(position), done,
				key)
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM fanouts WHERE position = $1`, int64(position))
		if err != nil {
			return err
		}
		return nextFanOut(ctx, tx, author)
	})
}

// addFanOut makes the job of a post.
func addFanOut(ctx context.Context, tx storage.Tx, position social.Position, author social.ID) error {
	_, err := tx.Exec(ctx, `INSERT INTO fanouts (position, author_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		int64(position), author)
	if err != nil {
		return err
	}
	return nextFanOut(ctx, tx, author)
}

// nextFanOut puts the oldest job of an author at the end of the line, unless it stands there already.
func nextFanOut(ctx context.Context, tx storage.Tx, author social.ID) error {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE fanouts SET turn = $2 WHERE turn IS NULL AND position =
		(SELECT position FROM fanouts WHERE author_id = $1 ORDER BY position LIMIT 1)`, author, key)
	return err
}

// fanOutPage makes the deliveries of one page of endpoints and returns the last key, 0 when there are no more.
func (p *Pipeline) fanOutPage(ctx context.Context, tx storage.Tx, post post, done int64) (int64, error) {
	page, err := storage.All(ctx, tx, scanEndpoint, `SELECT `+endpointColumns+` FROM endpoints
		WHERE wants_posts = 1 AND disabled = '' AND deleted_at IS NULL AND key > $1 ORDER BY key LIMIT $2`,
		done, fanoutPage)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	owners := make([]social.ID, len(page))
	for i, e := range page {
		owners[i] = e.owner
	}
	slices.SortFunc(owners, social.ID.Compare)
	edges, err := p.Ports.Follows.BellFollowers(ctx, tx, post.author, slices.Compact(owners))
	if err != nil {
		return 0, err
	}
	now := p.clock.Now()
	for _, e := range page {
		edge, ok := edges[e.owner]
		if !ok || max(edge.Since, e.since) >= post.position || slices.Contains(post.mentioned, e.owner) ||
			p.senders[e.Channel] == nil {
			continue
		}
		if err := addDelivery(ctx, tx, newDelivery(e.ID, post.position, social.EventPostCreated, post.id), now); err != nil {
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
func (p *Pipeline) postAt(ctx context.Context, position social.Position) (*post, error) {
	e, ok, err := p.events.At(ctx, position)
	if gap := (*social.GapError)(nil); errors.As(err, &gap) {
		p.log.Error("post cannot be read: not delivered", zap.Error(err))
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
		p.log.Error("post cannot be read: not delivered", zap.Stringer("event", e.Cursor), zap.Error(err))
		return nil, nil
	}
	out := &post{position: position, id: data.ID, author: e.Stream.User}
	for _, m := range data.Mentions {
		out.mentioned = append(out.mentioned, m.UserID)
	}
	return out, nil
}
