package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Log is a storage.Log in one file. Open makes it, Close ends it.
//
// A writer holds the write lock; a reader holds mu shared for the time of one page. Order: write lock, then mu.
type Log struct {
	cfg     Config
	writing chan struct{} // the write lock, capacity 1: full = held
	queue   queue
	newest  atomic.Pointer[newest]
	table   atomic.Pointer[memtable]
	flush   flush // the write lock guards it
	size    atomic.Int64
	now     atomic.Pointer[published]
	failed  atomic.Pointer[error] // set once: the log has ended
	full    atomic.Pointer[error] // set while appends fail for want of space
	last    lastPage

	mu     sync.RWMutex // guards db: held by each read, and whole by Reset and Close
	db     *bbolt.DB
	file   *os.File // of db
	closed chan struct{}
	once   sync.Once
	aside  error // set by Open
}

// published is what readers may know: everything in it is durable. It is never changed, only replaced.
type published struct {
	social.Kept
	erased erasures
	next   chan struct{} // closed when a newer one is there

	takenBack uint64 // grows when something was redacted, erased or trimmed, and with a new file
}

// gap tells why reading after a cursor is impossible; nil = it is possible.
func (p *published) gap(after social.Cursor) error {
	if g := p.GapOf(after); g != nil {
		return g
	}
	return nil
}

// Open opens or makes the log at cfg.Path. A file that is damaged anywhere replaces <path>.aside, and an empty log is
// opened in its place; SetAside then tells why. A log without a table of epochs, new or set aside, has a zero Head and
// takes nothing before Reset. Open reads the whole file once, about two seconds of processor time per GiB.
// storage.ErrLocked: another process holds it; storage.ErrAhead: a newer version wrote it. Neither touches the file.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	l := &Log{cfg: cfg, writing: make(chan struct{}, 1), closed: make(chan struct{})}
	damage, err := l.open()
	if err == nil && damage != nil {
		if err = os.Rename(cfg.Path, asideOf(cfg.Path)); err == nil {
			l.aside = fmt.Errorf("log: %s is set aside as %s: %w", cfg.Path, asideOf(cfg.Path), damage)
			damage, err = l.open()
			err = errors.Join(err, damage)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("log: open %s: %w", cfg.Path, err)
	}
	return l, nil
}

// open opens and checks the file and publishes what it holds. damage says that its content cannot be used.
func (l *Log) open() (damage, err error) {
	db, damage, err := l.openFile()
	if damage != nil || err != nil {
		return damage, err
	}
	found, damage := l.verify(db)
	if errors.Is(damage, storage.ErrAhead) {
		return nil, errors.Join(damage, db.Close())
	} else if damage != nil {
		return damage, db.Close()
	}
	if damage, err = l.touch(db, found); damage != nil || err != nil {
		return damage, err
	}
	l.db, l.flush = db, flush{}
	l.measure()
	l.newest.Store(found.newest)
	l.table.Store(found.table)
	p := &published{
		Kept:   social.Kept{Floor: found.state.floor, Head: found.state.mark, Epochs: found.epochs},
		erased: found.erased, next: make(chan struct{}),
	}
	if before := l.now.Load(); before != nil {
		p.takenBack = before.takenBack + 1
	}
	l.now.Store(p)
	return nil, nil
}

// minFile is what bbolt writes into a new file, at the least.
const minFile = 16 << 10

// openFile has bbolt open the file. bbolt reads the meta pages and the list of free pages here, on this goroutine. It
// would scan the file on another one, where a panic ends the process, if the list were not in the file.
func (l *Log) openFile() (db *bbolt.DB, damage, err error) {
	if info, err := os.Stat(l.cfg.Path); err == nil && info.Size() > 0 && info.Size() < minFile {
		return nil, fmt.Errorf("%d bytes are no database", info.Size()), nil
	}
	defer func() {
		if damage != nil {
			_ = l.file.Close() // a panic of bbolt leaves it open, and locked
		}
	}()
	defer catch(&damage)()
	db, err = bbolt.Open(l.cfg.Path, 0o600, &bbolt.Options{
		Timeout:         l.cfg.Timeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: int(l.cfg.InitialMap),
		MaxSize:         maxFile(l.cfg),
		OpenFile: func(name string, flag int, perm os.FileMode) (f *os.File, err error) {
			l.file, err = os.OpenFile(name, flag, perm)
			return l.file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, storage.ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, err, nil
	}
	return db, nil, err
}

// touch makes a first commit, and holds the free pages behind it against those in use: what is wrong with the list
// that a commit replaces shows then and not later. Unless all is well db is closed.
func (l *Log) touch(db *bbolt.DB, found contents) (damage, err error) {
	panicked := true
	defer func() {
		switch {
		case panicked:
			_ = l.file.Close() // db may hold its locks for ever
		case damage != nil || err != nil:
			err = errors.Join(err, db.Close())
		}
	}()
	defer catch(&damage)()
	if err = l.firstCommit(db, found); err == nil {
		damage = db.View(account)
	}
	panicked = false
	return damage, err
}

// firstCommit makes the buckets of a new file. It syncs what was found in an older one: that may be of a process that
// died before its sync, and from here on readers are shown it. A full disk is no error: appends find out.
func (l *Log) firstCommit(db *bbolt.DB, found contents) error {
	if err := l.failpoint(BeforeSync); err != nil {
		return err
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		if found.empty {
			return makeBuckets(tx)
		}
		return tx.Bucket(bucketMeta).Put(keyState, found.state.encode())
	})
	if !found.empty && lackOf(err) != nil {
		err = db.Sync()
	}
	return err
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketEpochs, bucketErased, bucketJournal, bucketInbox, bucketStreams} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyState, state{}.encode())
}

// maxFile is the size bbolt enforces: what appends may use, and room for trims.
func maxFile(cfg Config) int {
	if cfg.MaxSize == 0 {
		return 0
	}
	return int(cfg.MaxSize) + 2*Reserve
}

func asideOf(path string) string { return path + ".aside" }

// SetAside tells why Open set a damaged file aside; nil = it did not. For one line in the log.
func (l *Log) SetAside() error { return l.aside }

func (l *Log) Kept() social.Kept { return l.now.Load().Kept }

func (l *Log) Head() social.Cursor { return l.Kept().Newest() }

// Size is the number of bytes of the file that are in use. Free pages, which later appends use first, do not count:
// the file itself never shrinks.
func (l *Log) Size() int64 { return l.size.Load() }

// Healthy returns nil, or why appends fail.
func (l *Log) Healthy() error {
	for _, why := range []*error{l.failed.Load(), l.full.Load()} {
		if why != nil {
			return *why
		}
	}
	return nil
}

// Close ends the log: calls that wait get storage.ErrClosed, calls at work end first. It flushes the memtable, in at
// most some tenths of a second, so that the file at rest holds each stream whole. It may be called again.
func (l *Log) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		l.writing <- struct{}{} // for ever: the writer at work ends first, and none begins
		l.flushAll()
		l.mu.Lock()
		defer l.mu.Unlock()
		err = l.db.Close()
	})
	return social.Wrap(err, "log: close")
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// view runs fn in a short read transaction. A panic in it means that the file is broken inside: the log fails.
func (l *Log) view(ctx context.Context, fn func(tx *bbolt.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.isClosed() {
		return storage.ErrClosed
	}
	var broken error
	defer func() {
		if broken != nil {
			err = l.fail(broken)
		}
	}()
	defer catch(&broken)()
	return l.db.View(fn)
}

// catch turns a panic of bbolt, or a fault on the mapped file, into an error. Use: defer catch(&err)().
func catch(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			*err = fmt.Errorf("file is damaged: %v", r)
		}
	}
}

// fail ends the log for ever with the first reason given.
func (l *Log) fail(why error) error {
	err := fmt.Errorf("log: %w: %w", storage.ErrFailed, why)
	l.failed.CompareAndSwap(nil, &err)
	return *l.failed.Load()
}

// measure finds out how much of the file is in use.
func (l *Log) measure() {
	_ = l.db.View(func(tx *bbolt.Tx) error {
		s := l.db.Stats()
		l.size.Store(tx.Size() - int64(s.FreePageN+s.PendingPageN)*int64(l.db.Info().PageSize))
		return nil
	})
}

var _ storage.Log = (*Log)(nil)
