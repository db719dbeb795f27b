package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
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
func (p *Pipeline) Endpoints(ctx context.Context, owner social.ID,
	page social.PageQuery) (out social.List[Endpoint], err error) {
	err = p.db.Read(ctx, func(q storage.Querier) error {
		scope := social.PageScope{List: "endpoints", Person: owner}
		rows, err := social.PageOf(p.pages, scope, page, false, func(e endpoint) int64 { return e.key },
			func(w social.Window) ([]endpoint, error) {
				return storage.All(ctx, q, scanEndpoint, `SELECT `+endpointColumns+` FROM endpoints
					WHERE owner_id = $1 AND deleted_at IS NULL`+w.Clause("key", 2), owner, w.From(), w.Limit)
			})
		out = viewsOf(rows, endpoint.view)
		return err
	})
	return out, social.Wrap(err, "delivery: list endpoints")
}

// Endpoint is one of a person's endpoints; not found when it is another person's.
func (p *Pipeline) Endpoint(ctx context.Context, owner, id social.ID) (out Endpoint, err error) {
	err = p.db.Read(ctx, func(q storage.Querier) error {
		e, err := ownEndpoint(ctx, q, owner, id)
		out = e.view()
		return err
	})
	return out, social.Wrap(err, "delivery: endpoint")
}

// AddEndpoint makes an endpoint; its secret is in this answer only.
func (p *Pipeline) AddEndpoint(ctx context.Context, owner social.ID, d EndpointDraft,
	once *storage.Once) (out Endpoint, err error) {
	if err := checkName(d.Name); err != nil {
		return Endpoint{}, err
	}
	settings, err := p.checkSettings(d.Channel, d.Settings)
	if err != nil {
		return Endpoint{}, err
	}
	types, err := packTypes(d.Types)
	if err != nil {
		return Endpoint{}, err
	}
	now, since := p.clock.Now(), p.events.Head().Seq
	e := endpoint{owner: owner, types: types, secret: newSecret(), Endpoint: Endpoint{ID: social.NewID(),
		Channel: d.Channel, Name: cmp.Or(d.Name, d.Channel), Settings: settings, CreatedAt: now, UpdatedAt: now}}
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		return p.revealing(ctx, tx, once, e.secret, &out, func() (endpoint, error) {
			var n int
			err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM endpoints WHERE owner_id = $1 AND deleted_at IS NULL`,
				owner).Scan(&n)
			if most := p.cfg.EndpointsPerPerson; err == nil && n >= most {
				err = social.NewFault(social.CodeLimitReached, fmt.Sprintf("At most %d endpoints.", most))
			}
			if err != nil {
				return e, err
			}
			key, err := tx.NextKey(ctx)
			if err != nil {
				return e, err
			}
			_, err = tx.Exec(ctx, `INSERT INTO endpoints (id, key, owner_id, channel, name, settings, types, wants_posts,
				secret, since, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`,
				e.ID, key, owner, e.Channel, e.Name, string(settings), types, e.wantsPosts(), e.secret, int64(since),
				int64(now))
			return e, err
		})
	})
	return out, social.Wrap(err, "delivery: add endpoint")
}

// revealing does a repeatable act whose answer shows a secret the first time: what is kept for a repetition is
// without it.
func (p *Pipeline) revealing(ctx context.Context, tx storage.Tx, once *storage.Once, secret string, out *Endpoint,
	act func() (endpoint, error)) error {
	*out = Endpoint{}
	if done, err := once.Begin(ctx, tx, out); done || err != nil {
		return err
	}
	e, err := act()
	if err != nil {
		return err
	}
	*out = e.view()
	if err := once.Save(ctx, tx, *out); err != nil {
		return err
	}
	out.Secret = &secret
	return nil
}

// ChangeEndpoint changes what is given. Switching on forgets failures, and begins with what comes from now on.
func (p *Pipeline) ChangeEndpoint(ctx context.Context, owner, id social.ID, c EndpointPatch) (out Endpoint, err error) {
	types, err := packTypes(c.Types)
	if err == nil && c.Name != nil {
		err = checkName(*c.Name)
	}
	if err != nil {
		return Endpoint{}, err
	}
	if c.Settings != nil {
		before, err := p.Endpoint(ctx, owner, id)
		if err != nil {
			return Endpoint{}, err
		}
		if c.Settings, err = p.checkSettings(before.Channel, c.Settings); err != nil {
			return Endpoint{}, err
		}
	}
	head, now := p.events.Head().Seq, p.clock.Now()
	var dead int64
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		e, err := ownEndpoint(ctx, tx, owner, id)
		if err != nil {
			return err
		}
		if c.Name != nil {
			e.Name = cmp.Or(*c.Name, e.Channel)
		}
		if c.Settings != nil {
			e.Settings = c.Settings
			_, err := tx.Exec(ctx, `UPDATE endpoints SET slow = $2 WHERE id = $1 AND slow < $2`, id, slowAtFirst)
			if err != nil {
				return err
			}
		}
		if c.SetTypes {
			e.types = types
		}
		wasOn := e.disabled == ""
		if on := c.Enabled; on != nil && *on && !wasOn {
			e.disabled, e.FailingSince, e.since = "", nil, head
		} else if on != nil && !*on && wasOn {
			e.disabled = disabledByOwner
		}
		e.UpdatedAt = now
		out = e.view()
		dead, err = saveEndpoint(ctx, tx, e, wasOn)
		return err
	})
	if err == nil {
		p.figures.over(out.Channel, stateDead, dead)
	}
	return out, social.Wrap(err, "delivery: change endpoint")
}

// saveEndpoint returns how many deliveries died because the endpoint is switched off now.
func saveEndpoint(ctx context.Context, tx storage.Tx, e endpoint, wasOn bool) (int64, error) {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET name = $2, settings = $3, types = $4, wants_posts = $5, since = $6,
		failing_since = $7, updated_at = $8 WHERE id = $1`, e.ID, e.Name, string(e.Settings), e.types, e.wantsPosts(),
		int64(e.since), e.FailingSince, int64(e.UpdatedAt))
	if on := e.disabled == ""; err != nil || on == wasOn {
		return 0, err
	} else if !on {
		return disable(ctx, tx, e.ID, e.disabled, e.UpdatedAt)
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET disabled = '', unsettled = 0, due_at = `+nextDue+` WHERE id = $1`, e.ID)
	if err != nil {
		return 0, err
	}
	return 0, queue(ctx, tx, e.ID, e.UpdatedAt)
}

// RemoveEndpoint takes an endpoint away from its owner at once. One that is not there is not found.
func (p *Pipeline) RemoveEndpoint(ctx context.Context, owner, id social.ID) error {
	return social.Wrap(p.db.InTx(ctx, func(tx storage.Tx) error {
		if _, err := ownEndpoint(ctx, tx, owner, id); err != nil {
			return err
		}
		return bury(ctx, tx, `id`, id, p.clock.Now())
	}), "delivery: remove endpoint")
}

// RotateSecret gives an endpoint a new secret; the one before signs as well until overlap has passed.
func (p *Pipeline) RotateSecret(ctx context.Context, owner, id social.ID, overlap time.Duration,
	once *storage.Once) (out Endpoint, err error) {
	secret, now := newSecret(), p.clock.Now()
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		return p.revealing(ctx, tx, once, secret, &out, func() (endpoint, error) {
			e, err := ownEndpoint(ctx, tx, owner, id)
			if err != nil {
				return e, err
			}
			e.UpdatedAt = now
			_, err = tx.Exec(ctx, `UPDATE endpoints SET secret = $2, old_secret = secret, old_secret_until = $3,
				updated_at = $4 WHERE id = $1`, id, secret, int64(now.Add(overlap)), int64(now))
			return e, err
		})
	})
	return out, social.Wrap(err, "delivery: rotate secret")
}

// checkSettings asks the channel. A channel that is not there, or panics over the settings, refuses them.
func (p *Pipeline) checkSettings(channel string, settings json.RawMessage) (out json.RawMessage, err error) {
	s, ok := p.senders[channel]
	if !ok {
		return nil, social.Invalid(social.BodyField("/channel", social.FieldNotFound,
			"There is no such channel to add an endpoint to."))
	}
	err = s.c.Call("CheckEndpoint", func() (err error) { out, err = s.impl.CheckEndpoint(settings); return err })
	if err == nil && !json.Valid(out) {
		err = fmt.Errorf("delivery: channel %s gave settings that are no JSON", channel)
	}
	return out, err
}

// checkName refuses a name that shows nothing, or is no line of text; "" is the channel's.
func checkName(name string) error {
	if !social.Line(name) {
		return social.Invalid(social.BodyField("/name", social.FieldBadFormat, social.NotALine))
	}
	if name != "" && !social.Visible(name) {
		return social.Invalid(social.BodyField("/name", social.FieldTooShort, "At least 1 character that shows."))
	}
	return nil
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
