package seed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// Past is what people have done before the server starts. It is a history in this order: everybody joins, one by one,
// each with a token; a service token is made, if one is planned; people follow, one person after the other, on a site
// that had no notifications yet, as rows for two million follows take longer than everything else; then come the
// threads, each with its replies; the pushes; the posts. What was announced of all this lies below the log's floor, as
// if retention had trimmed it; see Kept.
type Past struct {
	Seed uint64

	// Threads[i] is how many replies stand below one top-level post of person i, a third of them below another reply.
	Threads []int
	// Pushes[i] is how many custom notifications person i has got.
	Pushes []int

	// Posts is how many top-level posts there are beside those of threads, each by one of the first Authors people
	// (0 = of all).
	Posts   int
	Authors int
	// Kept: the announcements of Posts are in the outbox, and the server copies them into its log when it starts.
	Kept bool
	// PublicURL is the site's, for what is kept.
	PublicURL string

	// At is when all this has just happened; 0 = now.
	At social.Time
}

// Post is one top-level post.
type Post struct {
	ID     social.ID
	Author int // number of a person
}

// Fill fills the data directory dir, which must be empty or absent, as a plan says. A server can be started on it then.
// Every row, count, order key and position is what the services would have made of the same acts. Fill syncs to disk at
// its end only, so after an error or a crash the directory is of no use.
//
// Ids and tokens depend on the plan alone, so that a run can be repeated: a site that was filled is for measuring
// and for nothing else, because who knows its seed knows its tokens.
func Fill(ctx context.Context, dir string, plan Plan) (People, error) {
	if plan.At == 0 {
		plan.At = social.TimeOf(time.Now())
	}
	s, err := newStory(plan)
	if err != nil {
		return People{}, fmt.Errorf("seed: %w", err)
	}
	if err := s.write(ctx, dir); err != nil {
		return People{}, fmt.Errorf("seed %s: %w", dir, err)
	}
	return s.people, nil
}

// write makes the tables and fills them.
func (s *story) write(ctx context.Context, dir string) (err error) {
	lock, err := sqlite.LockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	path := filepath.Join(dir, sqlite.FileName)
	if _, err := os.Stat(path); err == nil {
		return errors.New("there is a site already")
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Synchronous: sqlite.SyncNormal})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = storage.MigrateAll(ctx, db, storage.OwnMigrations, users.Migrations, posts.Migrations, follows.Migrations,
		notifications.Migrations, delivery.Migrations)
	if err != nil {
		return err
	}
	return (&seeder{story: s, db: db}).run(ctx)
}
