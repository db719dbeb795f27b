package sqlite

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// FileName is the name of the database in a data directory.
const FileName = "belfry.db"

// Sync says how often the engine waits for the disk.
type Sync string

// The values of Config.Synchronous.
const (
	SyncFull   Sync = "full"   // every commit is on disk before it is answered; the default
	SyncNormal Sync = "normal" // a power cut loses the last commits, though they were answered; a process death loses none
	SyncOff    Sync = "off"    // a power cut may ruin the file: tests only
)

// Config says how a store is opened. Only Path is needed.
type Config struct {
	// Path is the database file. Its folder has to exist; the file is made with mode 0600.
	Path string
	// Synchronous is SyncFull when empty.
	Synchronous Sync
	// Readers is the number of reading connections; 0 = twice the cores, at least 4.
	Readers int
	// MaxWaiting bounds the callers of InTx that wait for the writer; one more is answered ErrBusy at once.
	// 0 = 4096.
	MaxWaiting int
	// BusyTimeout is how long a caller waits for the writer or for a reader before ErrBusy; 0 = 5 s.
	BusyTimeout time.Duration
	// NoGroup gives every transaction a commit of its own; for comparison.
	NoGroup bool
	// KeyBlock is how many order keys are reserved by one write; 0 = 1,024.
	KeyBlock int
	// Failpoint, for tests, is called on the writer before each step that touches the disk. An error it returns
	// stands for the engine's answer to that step, which is not taken: wrap storage.ErrFull, storage.ErrReadOnly
	// or storage.ErrFailed. nil in production.
	Failpoint func(Point) error
}

// Point names a step of the writer, for Config.Failpoint.
type Point string

// The steps.
const (
	PointBegin      Point = "begin"
	PointCommit     Point = "commit"
	PointCommitted  Point = "committed" // all is on disk, nobody has been answered: its error says nothing
	PointCheckpoint Point = "checkpoint"
	PointMigrate    Point = "migrate"  // before the commit of a migration file
	PointMigrated   Point = "migrated" // after it, before the version is confirmed
)

const (
	maxBatch    = 64 // callers in one commit; 256 measured no better
	minReaders  = 4
	defaultWait = 5 * time.Second
	maxWaiting  = 4096
	keyBlock    = 1024
)

func (c Config) withDefaults() (Config, error) {
	c.Synchronous = cmp.Or(c.Synchronous, SyncFull)
	c.Readers = cmp.Or(max(c.Readers, 0), max(minReaders, 2*runtime.GOMAXPROCS(0)))
	c.MaxWaiting = cmp.Or(max(c.MaxWaiting, 0), maxWaiting)
	c.KeyBlock = cmp.Or(max(c.KeyBlock, 0), keyBlock)
	c.BusyTimeout = cmp.Or(max(c.BusyTimeout, 0), defaultWait)
	if c.Failpoint == nil {
		c.Failpoint = func(Point) error { return nil }
	}
	if !slices.Contains([]Sync{SyncFull, SyncNormal, SyncOff}, c.Synchronous) {
		return c, fmt.Errorf("synchronous: %q is none of full, normal, off", c.Synchronous)
	}
	return c, nil
}

func (c Config) pragmas() []string {
	return []string{
		"busy_timeout(" + strconv.FormatInt(c.BusyTimeout.Milliseconds(), 10) + ")",
		"page_size(2048)",
		"journal_mode(wal)",
		"synchronous(" + string(c.Synchronous) + ")",
		"foreign_keys(1)",
		"trusted_schema(0)",
		"temp_store(memory)",
		"secure_delete(fast)",
	}
}
