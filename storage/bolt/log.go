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
// Who writes holds the one turn; who reads holds mu shared for the time of one page. Order: turn, then mu.
type Log struct {
	cfg     Config
	turn    chan struct{} // capacity 1: whoever put a value in it may write
	queue   queue
	newest  atomic.Pointer[newest]
	recent  atomic.Pointer[recent]
	round   round   // the turn guards it
	scratch scratch // so it does this
	ahead   ahead   // and this
	types   types
	size    atomic.Int64
	now     atomic.Pointer[published]
	failed  atomic.Pointer[error] // set once: the log has ended
	full    atomic.Pointer[error] // set while appends fail for want of space
	last    lastPage

	mu     sync.RWMutex // guards db: held by each read, and whole by Reset and Close
	db     *bbolt.DB
	closed chan struct{}
	once   sync.Once
	aside  error // set by Open
	back   error // so is this
}

// published is what readers may know: everything in it is durable. It is never changed, only replaced.
type published struct {
	epoch  uint32
	head   social.Position
	floor  social.Position
	erased erasures
	next   chan struct{} // closed when a newer one is there

	takenBack uint64 // grows when something was redacted, erased or trimmed, and with a new file
}

func (p *published) cursor(at social.Position) social.Cursor {
	return social.Cursor{Epoch: p.epoch, Seq: at}
}

// gap tells why reading after a cursor is impossible; nil = it is possible.
func (p *published) gap(after social.Cursor) error {
	if g := after.GapOf(p.cursor(p.head), p.floor); g != nil {
		return g
	}
	return nil
}

// Open opens or makes the log at cfg.Path. A file that is damaged anywhere is renamed to <path>.aside (an older one
// of that name is replaced) and an empty log is opened in its place; SetAside then tells why. A log without an
// epoch, new or set aside, has Head().Epoch == 0 and takes nothing before Reset.
//
// Open reads the whole file once, about 0.5 s per GiB. storage.ErrLocked: another process holds it;
// storage.ErrAhead: it was written by a newer version. Neither touches the file.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	l := &Log{cfg: cfg, turn: make(chan struct{}, 1), closed: make(chan struct{})}
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

// open checks and opens the file and publishes what it holds. damage says that its content cannot be used.
func (l *Log) open() (damage, err error) {
	found, damage, err := verify(l.cfg)
	if damage != nil || err != nil {
		return damage, err
	}
	if found.back != nil {
		l.back = fmt.Errorf("log: %s: the last commit is not whole, and is undone: %w", l.cfg.Path, found.back)
	}
	defer l.catch(&damage)()
	db, err := bbolt.Open(l.cfg.Path, 0o600, &bbolt.Options{
		Timeout:         l.cfg.Timeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: int(l.cfg.InitialMap),
		MaxSize:         maxFile(l.cfg),
		NoSync:          true, // transact syncs
		OpenFile: func(name string, flag int, perm os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, perm)
			l.ahead = ahead{file: f}
			return f, err
		},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, storage.ErrLocked
	} else if err != nil {
		return nil, err
	}
	l.db = db
	p, err := l.load(found)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	l.measure()
	l.newest.Store(found.newest)
	l.recent.Store(found.recent)
	l.round = round{}
	if before := l.now.Load(); before != nil {
		p.takenBack = before.takenBack + 1
	}
	l.now.Store(p)
	return nil, nil
}

// load makes the buckets of a new file, or brings those of layout 1 up to date, and reads the state. It syncs whatever it
// found: the last commit may be of a process that died before its sync, and from here on readers are shown it, and the
// next commit writes over the pages of the one before.
func (l *Log) load(found contents) (*published, error) {
	if found.state.layout != layout {
		if err := l.db.Update(func(tx *bbolt.Tx) error { return renew(tx, found.state) }); err != nil {
			return nil, err
		}
	}
	if err := l.failpoint(BeforeSync); err != nil {
		return nil, err
	}
	if err := l.db.Sync(); err != nil {
		return nil, err
	}
	p := &published{next: make(chan struct{})}
	return p, l.db.View(func(tx *bbolt.Tx) error {
		s, err := stateIn(tx)
		if err != nil {
			return err
		}
		p.epoch, p.head, p.floor = s.epoch, s.mark, s.floor
		p.erased, err = erasuresIn(tx)
		return err
	})
}

// renew makes the buckets that are not there, and writes the state as this layout has it.
func renew(tx *bbolt.Tx, s state) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	if s.layout == layoutOne {
		if err := tx.MoveBucket(bucketErased, meta, nil); err != nil {
			return err
		}
	}
	for _, name := range [][]byte{bucketErased, bucketJournal, bucketStreams} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	s.tx = uint64(tx.ID())
	return meta.Put(keyState, s.encode())
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

// SteppedBack tells that Open undid the last commit, of which only parts were on disk: the power went during it, or the
// disk has changed what it wrote. nil = it did not. The relay brings back what was in it. For one line in the log.
func (l *Log) SteppedBack() error { return l.back }

// Head is the applied mark.
func (l *Log) Head() social.Cursor {
	p := l.now.Load()
	return p.cursor(p.head)
}

// Oldest is the cursor at the floor.
func (l *Log) Oldest() social.Cursor {
	p := l.now.Load()
	return p.cursor(p.floor)
}

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

// Close ends the log: calls that wait get storage.ErrClosed, calls at work end first. It moves the places that are in
// memory into the buckets of their streams, at most some tenths of a second, so that the file at rest holds each
// stream whole. It may be called again.
func (l *Log) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		l.turn <- struct{}{} // whoever writes now ends first, then whoever reads; nobody begins any more
		defer func() { <-l.turn }()
		l.settle()
		l.mu.Lock()
		defer l.mu.Unlock()
		err = l.db.Close()
	})
	if err != nil {
		return fmt.Errorf("log: close: %w", err)
	}
	return nil
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
	defer l.catch(&broken)()
	return l.db.View(fn)
}

// catch turns a panic of bbolt, or a fault on the mapped file, into an error. Use: defer l.catch(&err)().
func (l *Log) catch(err *error) func() {
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
