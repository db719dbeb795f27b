package storage

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed migrations
var ownFiles embed.FS

// OwnMigrations are the tables of the store itself: the outbox, idempotency keys, the server key, the state of
// the log, and the counter of order keys. Every store needs them.
var OwnMigrations = EmbeddedMigrations("storage", ownFiles)

// EmbeddedMigrations makes Migrations of files embedded by "//go:embed migrations": it has the folders
// migrations/sqlite and migrations/postgres.
func EmbeddedMigrations(owner string, files embed.FS) Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // only for a name that is no path: our own mistake
	}
	return Migrations{Owner: owner, FS: sub}
}

// MigrateAll brings the tables of all owners up to date, in the order of their names: their order in list does
// not matter, since nothing crosses owners. It looks at all of them first, so a store that is newer for one owner
// (ErrAhead) is not written to for another. An owner named twice is an error.
func MigrateAll(ctx context.Context, db DB, list ...Migrations) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Migrations) int { return cmp.Compare(a.Owner, b.Owner) })
	for i, m := range list {
		if i > 0 && list[i-1].Owner == m.Owner {
			return fmt.Errorf("migrations: owner %q is named twice", m.Owner)
		}
		s, err := db.Versions(ctx, m)
		if err != nil {
			return err
		}
		if err := s.Ahead(); err != nil {
			return err
		}
	}
	for _, m := range list {
		if err := db.Migrate(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// Ahead returns ErrAhead, wrapped with the owner and both versions, if the store is newer than the files.
func (s MigrationStatus) Ahead() error {
	if s.Version <= s.Latest {
		return nil
	}
	return fmt.Errorf("migrations of %s: the store has version %d, this program knows %d: %w",
		s.Owner, s.Version, s.Latest, ErrAhead)
}
