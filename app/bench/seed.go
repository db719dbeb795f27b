package bench

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// Seed writes what a plan says into a data directory that no server has, in a few seconds for 100,000 people:
// accounts without a password, a personal token for each, and follows that began before everything else.
func Seed(ctx context.Context, dir string, plan Plan) (people People, err error) {
	lock, err := sqlite.LockDir(dir)
	if err != nil {
		return people, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, sqlite.FileName), Synchronous: sqlite.SyncNormal})
	if err != nil {
		return people, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := storage.MigrateAll(ctx, db, storage.OwnMigrations, users.Migrations, follows.Migrations); err != nil {
		return people, err
	}
	err = db.InTx(ctx, func(tx storage.Tx) error {
		people = People{}
		s := seeder{ctx: ctx, tx: tx, now: int64(modules.TimeOf(time.Now()))}
		for i := range plan.People {
			p, err := s.person(i)
			if err != nil {
				return err
			}
			people.List = append(people.List, p)
		}
		if plan.Follows != nil {
			for f := range plan.Follows {
				if err := s.follow(people.List[f.Follower].ID, people.List[f.Followed].ID); err != nil {
					return err
				}
			}
		}
		if plan.Service {
			people.Service, err = s.service()
		}
		return err
	})
	return people, err
}

type seeder struct {
	ctx context.Context
	tx  storage.Tx
	now int64
}

func (s *seeder) person(i int) (p Person, err error) {
	p = Person{ID: modules.NewID(), Name: fmt.Sprintf("p%d", i)}
	var hash [32]byte
	p.Token, hash = seedToken(p.ID)
	key, err := s.tx.NextKey(s.ctx)
	if err != nil {
		return p, err
	}
	if _, err := s.tx.Exec(s.ctx, `INSERT INTO users (id, key, username, display_name, role, state, locale, time_zone, password_hash, created_at)
		VALUES ($1, $2, $3, $4, 'user', 'active', 'en', 'UTC', '', $5)`, p.ID, key, p.Name, fmt.Sprintf("Person %d", i), s.now); err != nil {
		return p, err
	}
	_, err = s.tx.Exec(s.ctx, `INSERT INTO tokens (id, key, user_id, name, hash, scopes, created_at) VALUES ($1, $2, $3, 'bench', $4, $5, $6)`,
		modules.NewID(), key, p.ID, hash[:], "read events write:posts write:follows write:notifications", s.now)
	return p, err
}

func (s *seeder) follow(follower, followed modules.ID) error {
	key, err := s.tx.NextKey(s.ctx)
	if err != nil {
		return err
	}
	if _, err := s.tx.Exec(s.ctx, `INSERT INTO follows (follower_id, followed_id, key, since, bell, reposts, created_at) VALUES ($1, $2, $3, 0, 1, 1, $4)`,
		follower, followed, key, s.now); err != nil {
		return err
	}
	if _, err := s.tx.Exec(s.ctx, `INSERT INTO follow_marks (follower_id, changed) VALUES ($1, $2) ON CONFLICT (follower_id) DO UPDATE SET changed = excluded.changed`,
		follower, key); err != nil {
		return err
	}
	if _, err := s.tx.Exec(s.ctx, `UPDATE users SET followers_count = followers_count + 1 WHERE id = $1`, followed); err != nil {
		return err
	}
	_, err = s.tx.Exec(s.ctx, `UPDATE users SET following_count = following_count + 1 WHERE id = $1`, follower)
	return err
}

func (s *seeder) service() (string, error) {
	id := modules.NewID()
	token, hash := seedToken(id)
	key, err := s.tx.NextKey(s.ctx)
	if err != nil {
		return "", err
	}
	_, err = s.tx.Exec(s.ctx, `INSERT INTO service_tokens (id, key, name, hash, created_at) VALUES ($1, $2, 'bench', $3, $4)`, id, key, hash[:], s.now)
	return token, err
}

// seedToken makes a token of an id, and what is kept of it. Nothing secret is behind it: the directory is removed.
func seedToken(id modules.ID) (token string, hash [32]byte) {
	of := sha256.Sum256(id[:])
	token = "bf_" + base64.RawURLEncoding.EncodeToString(of[:])
	return token, sha256.Sum256([]byte(token))
}
