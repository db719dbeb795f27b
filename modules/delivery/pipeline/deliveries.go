package pipeline

import (
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// errDisabled refuses what would be sent to an endpoint that is switched off.
var errDisabled = social.NewFault(social.CodeInvalidState, "This endpoint is switched off.")

// Deliveries is one page of the deliveries of an endpoint, newest first; state "" = all.
func (p *Pipeline) Deliveries(ctx context.Context, owner, endpoint social.ID, state string,
	page social.PageQuery) (out social.List[Delivery], err error) {
	err = p.db.Read(ctx, func(q storage.Querier) error {
		if _, err := ownEndpoint(ctx, q, owner, endpoint); err != nil {
			return err
		}
		query, args := `SELECT `+deliveryColumns+` FROM deliveries WHERE endpoint_id = $1`, []any{endpoint}
		if state != "" {
			query, args = query+` AND state = $2`, append(args, state)
		}
		scope := social.PageScope{List: "deliveries", Filter: endpoint.String() + " " + state, Person: owner}
		rows, err := social.PageOf(p.pages, scope, page, false, func(d delivery) int64 { return d.key },
			func(w social.Window) ([]delivery, error) {
				all := append(slices.Clip(args), w.From(), w.Limit)
				return storage.All(ctx, q, scanDelivery, query+w.Clause("key", len(args)+1), all...)
			})
		if err != nil {
			return err
		}
		attempts, err := attemptsOf(ctx, q, rows.Items)
		kept := p.events.Kept()
		out = viewsOf(rows, func(d delivery) Delivery { return d.view(kept, attempts[d.ID]) })
		return err
	})
	return out, social.Wrap(err, "delivery: list deliveries")
}

// Delivery is one delivery of one of a person's endpoints.
func (p *Pipeline) Delivery(ctx context.Context, owner, endpoint, id social.ID) (out Delivery, err error) {
	err = p.db.Read(ctx, func(q storage.Querier) error {
		out, err = p.showDelivery(ctx, q, owner, endpoint, id)
		return err
	})
	return out, social.Wrap(err, "delivery: delivery")
}

// TestEndpoint makes a delivery that tests an endpoint: one attempt, at once.
func (p *Pipeline) TestEndpoint(ctx context.Context, owner, endpoint social.ID,
	once *storage.Once) (out Delivery, err error) {
	now := p.clock.Now()
	d := newDelivery(endpoint, 0, eventTest, social.ID{})
	d.NextAttemptAt, d.CreatedAt = &now, now
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		out = Delivery{}
		if done, err := once.Begin(ctx, tx, &out); done || err != nil {
			return err
		}
		if e, err := ownEndpoint(ctx, tx, owner, endpoint); err != nil {
			return err
		} else if e.disabled != "" {
			return errDisabled
		}
		if err := addDelivery(ctx, tx, d, now); err != nil {
			return err
		}
		out = d.view(social.Kept{}, nil)
		return once.Save(ctx, tx, out)
	})
	p.nudge()
	return out, social.Wrap(err, "delivery: test endpoint")
}

// RetryDelivery makes a dead or waiting delivery due at once and begins its schedule anew.
func (p *Pipeline) RetryDelivery(ctx context.Context, owner, endpoint, id social.ID) (out Delivery, err error) {
	now := p.clock.Now()
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		e, d, err := ownDelivery(ctx, tx, owner, endpoint, id)
		switch {
		case err != nil:
			return err
		case e.disabled != "":
			return errDisabled
		case d.State != stateDead && d.State != statePending:
			return social.NewFault(social.CodeInvalidState, "Only a dead or pending delivery can be tried again.")
		}
		_, err = tx.Exec(ctx, `UPDATE deliveries SET state = 'pending', tries = 0, next_attempt_at = $2,
			finished_at = NULL WHERE id = $1`, id, int64(now))
		if err != nil {
			return err
		}
		if err := makeDue(ctx, tx, endpoint, now); err != nil {
			return err
		}
		out, err = p.showDelivery(ctx, tx, owner, endpoint, id)
		return err
	})
	p.nudge()
	return out, social.Wrap(err, "delivery: retry delivery")
}

func (p *Pipeline) showDelivery(ctx context.Context, q storage.Querier,
	owner, endpoint, id social.ID) (Delivery, error) {
	_, d, err := ownDelivery(ctx, q, owner, endpoint, id)
	if err != nil {
		return Delivery{}, err
	}
	attempts, err := attemptsOf(ctx, q, []delivery{d})
	return d.view(p.events.Kept(), attempts[id]), err
}
