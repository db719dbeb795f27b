package access

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// ServiceToken is a host application's token, without its secret.
type ServiceToken struct {
	ID         social.ID    `json:"id"`
	Name       string       `json:"name"`
	CreatedAt  social.Time  `json:"created_at"`
	LastUsedAt *social.Time `json:"last_used_at"`
}

// CreateService makes a service token and returns its secret, which is not kept, and its id. The command line
// calls it.
func (s *Service) CreateService(ctx context.Context, name string) (string, social.ID, error) {
	if bad := checkTokenName(name); len(bad) > 0 {
		return "", social.ID{}, social.Invalid(bad...)
	}
	secret, hash := newSecret(tokenPrefix)
	id, now := social.NewID(), s.clock.Now()
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		key, err := tx.NextKey(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO service_tokens (id, key, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)`,
			id, key, name, hash[:], int64(now))
		if err != nil {
			return err
		}
		return s.Audit(ctx, tx, "token service", social.ID{}, id.String())
	})
	if err != nil {
		return "", social.ID{}, social.Wrap(err, "users: create service token")
	}
	return secret, id, nil
}

func (s *Service) Services(ctx context.Context) ([]ServiceToken, error) {
	var list []ServiceToken
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		list, err = storage.All(ctx, q, func(row storage.Row) (t ServiceToken, err error) {
			err = row.Scan(&t.ID, &t.Name, &t.CreatedAt, &t.LastUsedAt)
			return t, err
		}, `SELECT id, name, created_at, last_used_at FROM service_tokens ORDER BY key DESC`)
		return err
	})
	return list, social.Wrap(err, "users: service tokens")
}

// EndAnyToken removes the personal or the service token with this id, whosesoever it is, with its tickets and streams.
// The command line calls it. NotFound if there is none.
func (s *Service) EndAnyToken(ctx context.Context, id social.ID) error {
	var person social.ID
	defer func() { s.Forget(person) }() // a service token is nobody's
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		person = social.ID{}
		err := tx.QueryRow(ctx, `SELECT user_id FROM tokens WHERE id = $1`, id).Scan(&person)
		found, err := storage.Found(err)
		switch {
		case err != nil:
			return err
		case found:
			err = s.removeToken(ctx, tx, person, id)
		default:
			err = removeService(ctx, tx, id)
		}
		if err != nil {
			return err
		}
		return s.Audit(ctx, tx, "token revoke", person, id.String())
	})
	return social.Wrap(err, "users: end token %s", id)
}

func removeService(ctx context.Context, tx storage.Tx, id social.ID) error {
	n, err := tx.Exec(ctx, `DELETE FROM service_tokens WHERE id = $1`, id)
	if err == nil && n == 0 {
		err = social.NotFound()
	}
	return err
}
