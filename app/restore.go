package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/belfry-social/belfry/app/backup"
	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// restoringFile stands in a data directory from the beginning of a restore to its end. While it is there nothing but
// another restore uses the directory, and that one begins anew. Taking it away is the step that makes the site.
const restoringFile = "belfry.restoring"

// restored refuses a directory in which a restore was cut off.
func (s *stores) restored() error {
	_, err := os.Lstat(filepath.Join(s.cfg.Data, restoringFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, fmt.Errorf("data directory %s: a restore into it was cut off; run belfry restore again, "+
		"or remove the directory", s.cfg.Data))
}

// restore is cli.Program.Restore. After an error the directory is as empty as it was, but for the
// lock's file, which another process may have open.
func (s *shell) restore(ctx context.Context, f cli.Flags, from string, told cli.Told) (text string, err error) {
	tar, err := backup.Open(from, s.streams.In)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer tar.Close()
	defer context.AfterFunc(ctx, func() { _ = tar.Close() })() // which ends the reading
	err = s.here(ctx, f, func(c *commands) error {
		r := restoring{commands: c, dir: c.stores.cfg.Data}
		m, err := backup.Read(tar, backup.Handler{Begin: r.begin, Create: r.create, Told: backup.Told(told)})
		if err == nil {
			text, err = r.check(ctx, m, told)
		}
		if err == nil {
			err = r.end()
		}
		if err != nil && ctx.Err() != nil {
			err = errInterrupted
		}
		text = fmt.Sprintf("%s is restored from a backup of %s; %s", r.dir, inWords(m), text)
		return errors.Join(err, r.undo(ctx, err))
	})
	if err != nil {
		return "", fmt.Errorf("restore from %s: %w", from, err)
	}
	return text, nil
}

// errInterrupted stands for whatever a reading or writing that was ended from outside says of it.
var errInterrupted = errors.New("it was interrupted, and nothing is kept")

// restoring is a restore under way.
type restoring struct {
	*commands
	dir   string
	begun bool // the mark stands, and what is in the directory is ours
}

// begin takes the directory, once the manifest is known to be good.
func (r *restoring) begin(m backup.Manifest) error {
	if err := vacant(r.dir); err != nil {
		return err
	}
	if err := r.stores.lockDir(); err != nil {
		return err
	}
	if err := vacant(r.dir); err != nil { // somebody was faster
		return err
	}
	mark, err := os.OpenFile(filepath.Join(r.dir, restoringFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	r.begun = true
	whole, err := filepath.Abs(r.dir)
	if err = errors.Join(err, mark.Sync(), mark.Close()); err != nil {
		return err
	}
	if err := errors.Join(backup.SyncDir(r.dir), backup.SyncDir(filepath.Dir(whole))); err != nil {
		return err
	}
	if err := r.wipe(); err != nil { // what a restore before this one has left
		return err
	}
	return sqlite.Room(r.dir, m.Size())
}

// vacant refuses a directory that holds anything but what a cut off restore has left.
func vacant(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	cut := slices.ContainsFunc(list, func(e os.DirEntry) bool { return e.Name() == restoringFile })
	for _, e := range list {
		switch name := e.Name(); {
		case name == sqlite.LockName, name == "lost+found", cut && strings.HasPrefix(name, "belfry"):
		default:
			return fmt.Errorf("data directory %s is not empty, %s is in it; name a new one with --data", dir, name)
		}
	}
	return nil
}

// check opens what came, compares it with the manifest, brings the tables up to date, writes the event log, and checks
// both stores.
func (r *restoring) check(ctx context.Context, m backup.Manifest, told cli.Told) (string, error) {
	told("checking the database", 0, 0)
	if err := r.stores.openFile(ctx); err != nil {
		return "", err
	}
	if err := r.compare(ctx, m); err != nil {
		return "", err
	}
	if err := r.stores.migrate(ctx, r.migrations); err != nil {
		return "", err
	}
	told("writing the event log", 0, 0)
	if err := r.stores.openLog(); err != nil {
		return "", err
	}
	if err := r.fillLog(ctx); err != nil {
		return "", err
	}
	told("checking both stores", 0, 0)
	text, err := r.checkStores(ctx)
	if err == nil && r.media != nil && m.Elsewhere == "" {
		var files string
		if files, _, err = r.checkMedia(ctx); err == nil { // what was missing before is so now, and does not stand in the way
			text += "; " + files
		}
	}
	if err != nil {
		return "", err
	}
	if m.Elsewhere != "" {
		text += "; the files of pictures are elsewhere: " + m.Elsewhere
	}
	r.stores.moved = true
	return text, r.stores.keepPlace()
}

// compare looks whether everything that was counted is there.
func (r *restoring) compare(ctx context.Context, m backup.Manifest) error {
	db, ok := r.stores.db.DB.(*sqlite.DB)
	if !ok {
		return errors.New("this database is restored with its own tools")
	}
	tables, floor, err := contents(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tables)) {
		if got, want := tables[name], m.Tables[name]; got != want {
			return fmt.Errorf("table %s has %d rows (highest number %d), the manifest says %d (%d)", name, got.Rows, got.Highest,
				want.Rows, want.Highest)
		}
	}
	if len(tables) != len(m.Tables) || floor != m.Floor {
		return fmt.Errorf("there are %d tables and the floor %d, the manifest says %d and %d", len(tables), floor,
			len(m.Tables), m.Floor)
	}
	return nil
}

// fillLog writes the event log. The relay waits where the disk is full, and sets aside what it cannot understand: this
// does the second and not the first.
func (r *restoring) fillLog(ctx context.Context) error {
	_, err := outbox.Rebuild(ctx, r.stores.db, r.stores.log)
	if err == nil || errors.Is(err, storage.ErrFull) || errors.Is(err, storage.ErrReadOnly) ||
		errors.Is(err, storage.ErrFailed) {
		return err
	}
	return r.stores.relay.CatchUp(ctx)
}

// end makes what is in the directory the site.
func (r *restoring) end() error {
	return errors.Join(backup.SyncDir(r.dir), os.Remove(filepath.Join(r.dir, restoringFile)), backup.SyncDir(r.dir))
}

// undo empties the directory after an error. What cannot be removed stays marked.
func (r *restoring) undo(ctx context.Context, failed error) error {
	if failed == nil || !r.begun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := errors.Join(r.stores.closeFiles(ctx), r.wipe()); err != nil {
		return err
	}
	return r.end()
}

// wipe removes everything but lock and mark.
func (r *restoring) wipe() error {
	list, err := os.ReadDir(r.dir)
	for _, e := range list {
		if name := e.Name(); strings.HasPrefix(name, "belfry") && name != sqlite.LockName && name != restoringFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(r.dir, name)))
		}
	}
	return err
}
