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

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// wipeEvery is often enough for P26: what was erased is out of the raw files within an hour, on a site without
// traffic too. The rows and records are emptied within some minutes; and a wipe that meets a long reader has five more
// tries.
const wipeEvery = 10 * time.Minute

// wipeJobs take out of the files what was deleted in the stores: old forms of pages, pages that are free, and copies
// that were kept. A store that has nothing of that kind has no such method.
func (s *stores) wipeJobs() []social.Job {
	job := func(name string, run func(context.Context) (bool, error)) social.Job {
		return social.Job{Name: "storage: wipe " + name, Every: wipeEvery, Run: run}
	}
	return []social.Job{job("the database", s.wipeDB), job("the event log", s.wipeLog), job("copies", s.dropCopy)}
}

func (s *stores) wipeDB(ctx context.Context) (more bool, err error) {
	db, ok := s.db.DB.(interface{ Wipe(context.Context) error })
	if !ok {
		return false, nil
	}
	err = db.Wipe(ctx)
	if errors.Is(err, storage.ErrBusy) {
		s.zap.Info("a long reader keeps old pages of the database; they are wiped later")
		return false, nil
	}
	return false, err
}

func (s *stores) wipeLog(ctx context.Context) (more bool, err error) {
	log, ok := s.log.Log.(interface {
		Wipe(context.Context) (bool, error)
	})
	if !ok {
		return false, nil
	}
	return log.Wipe(ctx)
}

// dropCopy removes the copy from before the last upgrade when an account has ended since: the copy has it still.
func (s *stores) dropCopy(ctx context.Context) (more bool, err error) {
	path := filepath.Join(s.cfg.Data, copyFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	erased := false
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE op = 3 AND time >= $1)`,
			info.ModTime().UnixMilli()).Scan(&erased)
	})
	if err != nil || !erased {
		return false, err
	}
	s.zap.Info("an account has ended: the copy from before the upgrade is removed", zap.String("file", copyFile))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("copy from before the upgrade: %w", err)
	}
	return false, nil
}
