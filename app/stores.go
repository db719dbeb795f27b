package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// What else lies in the data directory: the event log, the files of pictures, and uploads while they arrive.
const (
	logFile  = "belfry.log.bolt"
	mediaDir = "belfry.media"
	spoolDir = "belfry.uploads"

	certificatesDir = "belfry.certificates" // what an authority has given; not in a backup
)

// stores are what the data directory holds: the lock, the relational store, the event log, and the relay between
// them. Modules are given db, log and pages when they are constructed; openDB, migrate and openEvents open what stands
// behind them, before anything uses them, and close closes it after everything has ended.
type stores struct {
	cfg   config.Storage
	clock social.Clock
	zap   *zap.Logger

	lock   *sqlite.DirLock
	db     *database
	log    *eventLog
	pages  *social.PageCursors
	relay  *outbox.Relay
	hooks  Hooks
	moved  bool  // the database lies in another place than at the last start
	memory int64 // what the process may use, in bytes; 0 = no limit
}

// database is the relational store behind a name that exists before it is open.
type database struct {
	storage.DB
	log   *eventLog    // its failure ends the writes here, too
	quota *quota.Quota // counts what is written for whom; nil = nobody counts
}

// eventLog likewise. Before it is open Head and Kept are zero, Read gives storage.ErrClosed, and nothing else may be
// called.
type eventLog struct{ storage.Log }

func (l *eventLog) Head() social.Cursor {
	if l.Log == nil {
		return social.Cursor{}
	}
	return l.Log.Head()
}

func (l *eventLog) Kept() social.Kept {
	if l.Log == nil {
		return social.Kept{}
	}
	return l.Log.Kept()
}

func (l *eventLog) Read(ctx context.Context, a social.Audience, after social.Cursor,
	limit int) (social.EventPage, error) {
	if l.Log == nil {
		return social.EventPage{}, storage.ErrClosed
	}
	return l.Log.Read(ctx, a, after, limit)
}

// Hooks are failpoints of the stores and the like, for tests; zero in production.
type Hooks struct {
	KeyBlock int
	SQLite   func(sqlite.Point) error
	Bolt     func(bolt.Failpoint) error
}

func newStores(o Options, c *config.Config, log *zap.Logger) *stores {
	s := &stores{cfg: c.Storage, clock: o.Clock, zap: log.Named("storage"), hooks: o.Hooks, memory: o.Memory.Go,
		log: &eventLog{}, pages: &social.PageCursors{}}
	s.db = &database{log: s.log}
	s.relay = outbox.NewRelay(s.db, s.log, o.Clock, s.zap.Named("relay"))
	return s
}

// openDB locks the directory and opens the relational store, without touching its tables.
func (s *stores) openDB(ctx context.Context) error {
	if err := enoughAddresses(); err != nil {
		return err
	}
	if err := s.lockDir(); err != nil {
		return err
	}
	if err := s.restored(); err != nil {
		return err
	}
	if err := s.emptySpool(); err != nil {
		return err
	}
	_, absent := os.Lstat(filepath.Join(s.cfg.Data, sqlite.FileName))
	if err := s.openFile(ctx); err != nil {
		return err
	}
	if s.moved = errors.Is(absent, os.ErrNotExist); s.moved {
		return nil // made now: there is nothing to check
	}
	return s.checkPlace(ctx)
}

// emptySpool drops uploads that an earlier process was receiving.
func (s *stores) emptySpool() error {
	dir := filepath.Join(s.cfg.Data, spoolDir)
	return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
}

func (s *stores) lockDir() (err error) {
	s.lock, err = sqlite.LockDir(s.cfg.Data)
	return err
}

// openFile opens the relational store of a locked directory.
func (s *stores) openFile(ctx context.Context) error {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(s.cfg.Data, sqlite.FileName),
		Synchronous: sqlite.Sync(s.cfg.SQLite.Synchronous), Readers: s.cfg.SQLite.Readers,
		Failpoint: s.hooks.SQLite, KeyBlock: s.hooks.KeyBlock})
	if sqlite.IsCorrupt(err) {
		err = torn(fmt.Errorf("%w: %w", outbox.ErrTorn, err))
	}
	if err != nil {
		return err
	}
	s.db.DB = db
	return nil
}

// migrate brings all tables up to date and takes up the server key. Before tables that hold something are
// changed, a copy of the database is kept beside it.
func (s *stores) migrate(ctx context.Context, list []storage.Migrations) error {
	list = append([]storage.Migrations{storage.OwnMigrations}, list...)
	if err := s.keepCopy(ctx, list); err != nil {
		return err
	}
	if err := storage.MigrateAll(ctx, s.db, list...); err != nil {
		return err
	}
	if db, ok := s.db.DB.(*sqlite.DB); ok {
		if err := db.Fits(ctx); err != nil {
			return err
		}
	}
	master, err := storage.ServerKey(ctx, s.db)
	if err != nil {
		return err
	}
	s.pages.Open(storage.DeriveKey(master, "page cursors"))
	return nil
}

// copyFile is the copy of the database from before the last upgrade.
const copyFile = sqlite.FileName + ".before-upgrade"

// keepCopy copies the database if some owner's tables are older than this program. A copy of an earlier or interrupted
// upgrade is replaced.
func (s *stores) keepCopy(ctx context.Context, list []storage.Migrations) error {
	behind := false
	for _, m := range list {
		v, err := s.db.Versions(ctx, m)
		if err != nil {
			return err
		}
		if err := v.Ahead(); err != nil {
			return err
		}
		behind = behind || (v.Version > 0 && v.Version < v.Latest)
	}
	db, ok := s.db.DB.(*sqlite.DB)
	if !behind || !ok {
		return nil
	}
	path := filepath.Join(s.cfg.Data, copyFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.zap.Info("tables are brought up to date; a copy of the database is kept", zap.String("file", copyFile))
	return db.Copy(ctx, path)
}

// trimOnce is the job that drops kept answers of repeatable requests after their time.
func (s *stores) trimOnce() social.Job {
	const page = 500 // a few milliseconds of the writer's time
	run := func(ctx context.Context) (bool, error) { return storage.TrimOnce(ctx, s.db, s.clock.Now(), page) }
	return social.Job{Name: "storage: drop kept answers", Every: time.Minute, Run: run}
}

// openEvents opens the log and makes it agree with the database. Nothing is read from it before the relay's CatchUp.
func (s *stores) openEvents(ctx context.Context) error {
	if err := s.openLog(); err != nil {
		return err
	}
	if err := s.checkLog(ctx); err != nil {
		return err
	}
	report, err := outbox.Reconcile(ctx, s.db, s.log)
	if err != nil {
		return err
	}
	tell := s.zap.Info
	if report.Lost {
		tell = s.zap.Warn
	}
	tell("event log", zap.Stringer("state", report), zap.String("file", filepath.Join(s.cfg.Data, logFile)))
	return s.keepPlace()
}

func (s *stores) openLog() error {
	cfg := bolt.DefaultConfig(filepath.Join(s.cfg.Data, logFile))
	cfg.MaxSize = int64(s.cfg.Log.MaxSize)
	cfg.Memtable = int(config.Sized(int64(cfg.Memtable), s.memory))
	cfg.Failpoint = s.hooks.Bolt
	log, err := bolt.Open(cfg)
	if err != nil {
		return err
	}
	if aside := log.SetAside(); aside != nil {
		s.zap.Error("event log cannot be used and is set aside", zap.Error(aside))
	}
	s.log.Log = log
	return nil
}

// close ends the relay, which has been flushed before, closes what is open, log first, and gives the directory back.
func (s *stores) close(ctx context.Context) error {
	err := s.closeFiles(ctx)
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	return err
}

// closeFiles is close without the lock. It is safe twice.
func (s *stores) closeFiles(ctx context.Context) error {
	errs := []error{s.relay.Stop(ctx)}
	if s.log.Log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.db.DB != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// failed receives when a store can never write again (I9): the process has to end.
func (s *stores) failed() <-chan struct{} {
	if f, ok := s.db.DB.(interface{ Failed() <-chan struct{} }); ok {
		return f.Failed()
	}
	return nil
}

// checks are the stores' part of /readyz.
func (s *stores) checks() []server.Check {
	return []server.Check{
		{Name: "database", Probe: func() (string, error) {
			if s.db.DB == nil {
				return "", errors.New("not open yet")
			}
			return "", s.db.Healthy()
		}},
		{Name: "failed", Fatal: true, Probe: func() (string, error) {
			select {
			case <-s.failed():
				return "", storage.ErrFailed
			default:
			}
			if s.log.Log != nil && errors.Is(s.log.Healthy(), storage.ErrFailed) {
				return "", storage.ErrFailed
			}
			return "", nil
		}},
		{Name: "event log", Probe: func() (string, error) {
			if s.log.Log == nil {
				return "", errors.New("not open yet")
			}
			if err := s.log.Healthy(); err != nil {
				return "", err
			}
			kept := s.log.Kept()
			return fmt.Sprintf("head %s, oldest %s, %d bytes", kept.Newest(), kept.Oldest(), s.log.Size()), nil
		}},
		{Name: "outbox", Probe: s.probeOutbox},
		{Name: "disk", Probe: func() (string, error) {
			_, err := os.Stat(s.cfg.Data)
			if err == nil && s.db.quota != nil && !s.db.quota.Room() {
				err = fmt.Errorf("less than quota.disk_reserve is left: %w", storage.ErrFull)
			}
			return "", err
		}},
	}
}

// maxLag is how far the log may be behind the database before the operator should look.
const maxLag = 10_000 // milliseconds

func (s *stores) probeOutbox() (string, error) {
	st := s.relay.Stats()
	detail := fmt.Sprintf("lag %s, %d set aside", st.Lag, st.Quarantined)
	if st.Lag.Milliseconds() > maxLag || st.Quarantined > 0 {
		return "", errors.New(detail)
	}
	return detail, nil
}
