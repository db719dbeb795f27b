package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// placeFile holds the place of the database at the last start. Another place means that the directory is a copy, or has
// been moved to another disk; no file, that nobody knows.
const placeFile = "belfry.place"

func (s *stores) placePath() string { return filepath.Join(s.cfg.Data, placeFile) }

// checkPlace checks a database that lies in another place than at the last start, before anything is written to it: a
// directory that was copied under a running server is torn, and SQLite opens it all the same.
func (s *stores) checkPlace(ctx context.Context) error {
	before, err := os.ReadFile(s.placePath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if s.moved = string(before) != s.place(); !s.moved {
		return nil
	}
	why := "it lies in another place than at the last start"
	if before == nil {
		why = "no earlier start is known"
	}
	return s.checkDB(ctx, why)
}

func (s *stores) place() string {
	return sqlite.Place(filepath.Join(s.cfg.Data, sqlite.FileName))
}

// checkLog holds the log against the database when they may not fit, before either is changed. Of a log that is gone or
// damaged, which is set aside by now, nothing can be asked: then the database is checked alone.
func (s *stores) checkLog(ctx context.Context) error {
	why, err := outbox.Misfit(ctx, s.db, s.log)
	if err != nil || why == "" && !s.moved {
		return err
	}
	if !s.moved {
		if err := s.checkDB(ctx, why); err != nil {
			return err
		}
	}
	return torn(outbox.Compare(ctx, s.db, s.log))
}

func (s *stores) checkDB(ctx context.Context, why string) error {
	db, ok := s.db.DB.(interface{ QuickCheck(context.Context) error })
	if !ok {
		return nil
	}
	begun := time.Now()
	if err := db.QuickCheck(ctx); err != nil {
		return torn(fmt.Errorf("%w: %w", outbox.ErrTorn, err))
	}
	s.zap.Info("database is checked", zap.String("because", why), zap.Int64("took_ms", time.Since(begun).Milliseconds()))
	return nil
}

// torn says what can be done about a torn database.
func torn(err error) error {
	if errors.Is(err, outbox.ErrTorn) {
		return fmt.Errorf("%w. A directory that is copied while the server runs may be so. "+
			"Put a backup back, or copy the directory again with the server stopped", err)
	}
	return err
}

// keepPlace notes where the database lies, once it has been found to be sound there.
func (s *stores) keepPlace() error {
	if !s.moved {
		return nil
	}
	s.moved = false
	return os.WriteFile(s.placePath(), []byte(s.place()), 0o600)
}
