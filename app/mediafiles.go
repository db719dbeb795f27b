package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/backup"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/media/files"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// sumMedia names the files of the pictures that a copy of the database shows. One that is missing already is told and
// left out: a backup of the rest is better than none.
func (c *commands) sumMedia(ctx context.Context, db *sqlite.DB, m *backup.Manifest) error {
	if c.media == nil {
		return nil
	}
	if m.Elsewhere = c.media.Elsewhere(); m.Elsewhere != "" {
		return nil
	}
	return db.Read(ctx, func(q storage.Querier) error {
		there, err := hasMedia(ctx, q)
		if err != nil || !there { // a copy of a site of before
			return err
		}
		return c.media.Files(ctx, q, func(f media.File) error {
			r, err := c.openMedia(ctx, backup.MediaDir+f.Name)
			if media.Lost(err) {
				c.stores.zap.Warn("a file of a picture is missing; the backup is without it", zap.String("file", f.Name))
				return nil
			}
			if err != nil {
				return err
			}
			sum, err := backup.SumOf(backup.MediaDir+f.Name, r)
			if err = errors.Join(err, r.Close()); err != nil {
				return err
			}
			m.Format, m.Files = backup.Format, append(m.Files, sum)
			return nil
		})
	})
}

func hasMedia(ctx context.Context, q storage.Querier) (bool, error) {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM sqlite_schema WHERE name = 'media'`).Scan(&one)
	return storage.Found(err)
}

// openMedia opens a file by its name in a backup.
func (c *commands) openMedia(ctx context.Context, name string) (io.ReadCloser, error) {
	store, err := c.media.Store()
	if err != nil {
		return nil, err
	}
	r, _, err := store.Open(ctx, strings.TrimPrefix(name, backup.MediaDir))
	return r, err
}

// create makes a file of a backup that is restored.
func (r *restoring) create(f backup.File) (io.WriteCloser, error) {
	name, ok := strings.CutPrefix(f.Name, backup.MediaDir)
	if !ok {
		return backup.Into(r.dir)(f)
	}
	if r.media == nil {
		return nil, errors.New("this program has no media module")
	}
	store, err := r.media.Store()
	return &whole{store: store, name: name}, err
}

// whole collects a file and stores it when it is closed.
type whole struct {
	bytes.Buffer
	store files.Store
	name  string
}

func (w *whole) Close() error { return w.store.Put(context.Background(), w.name, w.Bytes()) }

// checkMedia tells in words how the files of pictures fit their rows, and whether none is missing.
func (c *commands) checkMedia(ctx context.Context) (text string, ok bool, err error) {
	found, err := c.media.Check(ctx)
	if err != nil {
		return "", false, err
	}
	text = fmt.Sprintf("%d files of pictures", found.Files)
	if len(found.Missing) > 0 {
		text += ", of which are missing or cut short: " + strings.Join(found.Missing, ", ")
	}
	if len(found.Extra) > 0 {
		text += "; files of no picture: " + strings.Join(found.Extra, ", ")
	}
	return text, found.Whole(), nil
}
