package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// EndpointDraft is what a person asks for.
type EndpointDraft struct {
	Channel  string
	Name     string // "" = the channel's name
	Settings json.RawMessage
	Types    []string // nil = all
}

// EndpointPatch is what a person changes; what is not given stays.
type EndpointPatch struct {
	Name     *string         // "" = the channel's name
	Settings json.RawMessage // nil = stays
	SetTypes bool            // Types is given
	Types    []string        // nil = all
	Enabled  *bool
}

// Endpoints is one page of a person's endpoints, newest first.
func (s *Pipeline) Endpoints(ctx context.Context, owner social.ID, page social.PageQuery) (out social.List[Endpoint], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		rows, err := social.PageOf(s.pages, social.PageScope{List: "endpoints", Person: owner}, page, false,
			func(e endpoint) int64 { return e.key }, func(w social.Window) ([]endpoint, error) {
				where, args := windowOf(w, []any{owner})
				return list(ctx, q, scanEndpoint, `SELECT `+endpointColumns+` FROM endpoints WHERE owner_id = $1 AND deleted_at IS NULL`+where, args...)
			})
		out = viewsOf(rows, endpoint.view)
		return err
	})
	return out, wrap("list endpoints", err)
}

// Endpoint is one of a person's endpoints; not found when it is somebody else's.
func (s *Pipeline) Endpoint(ctx context.Context, owner, id social.ID) (out Endpoint, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		e, err := ownEndpoint(ctx, q, owner, id)
		out = e.view()
		return err
	})
	return out, wrap("endpoint", err)
}

// AddEndpoint makes an endpoint; its secret is in this answer only.
func (s *Pipeline) AddEndpoint(ctx context.Context, owner social.ID, d EndpointDraft, once *storage.Once) (out Endpoint, err error) {
	settings, err := s.checkSettings(d.Channel, d.Settings)
	if err != nil {
		return Endpoint{}, err
	}
	types, err := packTypes(d.Types)
	if err != nil {
		return Endpoint{}, err
	}
	now := s.clock.Now()
	e := endpoint{id: social.NewID(), owner: owner, channel: d.Channel, name: cmp.Or(d.Name, d.Channel), settings: settings, types: types,
		secret: newSecret(), since: s.events.Head().Seq, created: now, updated: now}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		out = Endpoint{}
		if done, err := once.Begin(ctx, tx, &out); done || err != nil {
			return err
		}
		if err := s.roomFor(ctx, tx, owner); err != nil {
			return err
		}
		key, err := tx.NextKey(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO endpoints (id, key, owner_id, channel, name, settings, types, wants_posts, secret, since, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`,
			e.id, key, owner, e.channel, e.name, string(settings), types, boolInt(e.wants(typePost)), e.secret, int64(e.since), int64(now))
		if err != nil {
			return err
		}
		out = e.view()
		if err := once.Save(ctx, tx, out); err != nil { // without the secret
			return err
		}
		out.Secret = &e.secret
		return nil
	})
	return out, wrap("add endpoint", err)
}

func (s *Pipeline) roomFor(ctx context.Context, q storage.Querier, owner social.ID) error {
	var n int
	err := q.QueryRow(ctx, `SELECT COUNT(*) FROM endpoints WHERE owner_id = $1 AND deleted_at IS NULL`, owner).Scan(&n)
	if err == nil && n >= s.cfg.EndpointsPerPerson {
		return social.NewFault(social.CodeLimitReached, fmt.Sprintf("At most %d endpoints.", s.cfg.EndpointsPerPerson))
	}
	return err
}

// ChangeEndpoint changes what is given. Switching on forgets failures, and begins with what comes from now on.
func (s *Pipeline) ChangeEndpoint(ctx context.Context, owner, id social.ID, p EndpointPatch) (out Endpoint, err error) {
	var types string
	if p.SetTypes {
		if types, err = packTypes(p.Types); err != nil {
			return Endpoint{}, err
		}
	}
	before, err := s.Endpoint(ctx, owner, id)
	if err != nil {
		return Endpoint{}, err
	}
	var settings json.RawMessage
	if p.Settings != nil {
		if settings, err = s.checkSettings(before.Channel, p.Settings); err != nil {
			return Endpoint{}, err
		}
	}
	head, now := s.events.Head().Seq, s.clock.Now()
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		e, err := ownEndpoint(ctx, tx, owner, id)
		if err != nil {
			return err
		}
		if p.Name != nil {
			e.name = cmp.Or(*p.Name, e.channel)
		}
		if p.Settings != nil {
			e.settings = settings
		}
		if p.SetTypes {
			e.types = types
		}
		wasOff := e.disabled != ""
		if p.Enabled != nil && *p.Enabled && wasOff {
			e.disabled, e.failingSince, e.since = "", nil, head
		}
		if p.Enabled != nil && !*p.Enabled && !wasOff {
			e.disabled = disabledByOwner
		}
		e.updated = now
		if err := s.saveEndpoint(ctx, tx, e, wasOff); err != nil {
			return err
		}
		out = e.view()
		return nil
	})
	return out, wrap("change endpoint", err)
}

func (s *Pipeline) saveEndpoint(ctx context.Context, tx storage.Tx, e endpoint, wasOff bool) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET name = $2, settings = $3, types = $4, wants_posts = $5, since = $6, failing_since = $7, updated_at = $8
		WHERE id = $1`, e.id, e.name, string(e.settings), e.types, boolInt(e.wants(typePost)), int64(e.since), e.failingSince, int64(e.updated))
	if err != nil {
		return err
	}
	switch {
	case e.disabled != "" && !wasOff:
		return disable(ctx, tx, e.id, e.disabled, e.updated)
	case e.disabled == "" && wasOff:
		_, err = tx.Exec(ctx, `UPDATE endpoints SET disabled = '', unsettled = 0,
			due_at = (SELECT MIN(next_attempt_at) FROM deliveries WHERE endpoint_id = $1 AND state = 'pending') WHERE id = $1`, e.id)
	}
	return err
}

// disable switches an endpoint off. What waits for it becomes dead letters, the first settlePage of them at once.
func disable(ctx context.Context, tx storage.Tx, id social.ID, reason string, now social.Time) error {
	more, err := settle(ctx, tx, id, stateDead, now, settlePage)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET disabled = $2, due_at = NULL, busy_until = 0, unsettled = $3, updated_at = $4 WHERE id = $1`,
		id, reason, boolInt(more), int64(now))
	return err
}

// RemoveEndpoint takes an endpoint away from its owner at once, address and secrets with it; its deliveries are
// dropped in pages by a job. One that is not there is not found.
func (s *Pipeline) RemoveEndpoint(ctx context.Context, owner, id social.ID) error {
	return wrap("remove endpoint", s.db.InTx(ctx, func(tx storage.Tx) error {
		if _, err := ownEndpoint(ctx, tx, owner, id); err != nil {
			return err
		}
		return bury(ctx, tx, `id`, id, s.clock.Now())
	}))
}

// bury removes the endpoints whose column ("id" or "owner_id") has this value.
func bury(ctx context.Context, tx storage.Tx, column string, value social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET deleted_at = $2, due_at = NULL, busy_until = 0, unsettled = 1, name = '', settings = '{}',
		types = '', secret = '', old_secret = '' WHERE `+column+` = $1 AND deleted_at IS NULL`, value, int64(now))
	return err
}

// RotateSecret gives an endpoint a new secret; the one before signs as well until overlap has passed.
func (s *Pipeline) RotateSecret(ctx context.Context, owner, id social.ID, overlap time.Duration, once *storage.Once) (out Endpoint, err error) {
	secret, now := newSecret(), s.clock.Now()
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		out = Endpoint{}
		if done, err := once.Begin(ctx, tx, &out); done || err != nil {
			return err
		}
		e, err := ownEndpoint(ctx, tx, owner, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE endpoints SET secret = $2, old_secret = secret, old_secret_until = $3, updated_at = $4 WHERE id = $1`,
			id, secret, int64(now.Add(overlap)), int64(now))
		if err != nil {
			return err
		}
		e.updated = now
		out = e.view()
		if err := once.Save(ctx, tx, out); err != nil { // without the secret
			return err
		}
		out.Secret = &secret
		return nil
	})
	return out, wrap("rotate secret", err)
}

// checkSettings asks the channel. A channel that is not there, or panics over the settings, refuses them.
func (s *Pipeline) checkSettings(channel string, settings json.RawMessage) (out json.RawMessage, err error) {
	p, ok := s.senders[channel]
	if !ok {
		return nil, social.Invalid(social.BodyField("/channel", social.FieldNotFound, "There is no such channel to add an endpoint to."))
	}
	if err := p.c.Call("CheckEndpoint", func() (err error) { out, err = p.impl.CheckEndpoint(settings); return err }); err != nil {
		return nil, err
	}
	if !json.Valid(out) {
		return nil, fmt.Errorf("delivery: channel %s gave settings that are no JSON", channel)
	}
	return out, nil
}

// newSecret is a signing secret of the form that Standard Webhooks asks for: 24 random bytes.
func newSecret() string {
	key := make([]byte, 24)
	rand.Read(key) // never fails (crypto/rand)
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func viewsOf[R, V any](l social.List[R], view func(R) V) social.List[V] {
	out := social.List[V]{Items: make([]V, len(l.Items)), Next: l.Next, Prev: l.Prev}
	for i, r := range l.Items {
		out.Items[i] = view(r)
	}
	return out
}

// wrap names what was attempted, and leaves faults as they are.
func wrap(what string, err error) error {
	var f *social.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("delivery: %s: %w", what, err)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
