package bolt

import (
	"errors"
	"time"
)

// Config says where the log lives and how large it may be.
type Config struct {
	Path string // the file; its folder has to exist
	// MaxSize is how many bytes of the file may be in use before Append answers storage.ErrFull; 0 = no limit. The
	// file itself may be larger by what trims need to work (Reserve).
	MaxSize int64
	// InitialMap is how much address space is mapped at once. While it suffices, growth stops no reader.
	InitialMap int64
	// Timeout bounds the wait for another process that holds the file; then Open gives storage.ErrLocked.
	Timeout time.Duration
	// BatchEntries bounds what one commit takes of the calls that wait; a call is never split.
	BatchEntries int
	// Memtable is how many postings are gathered in memory, about 100 bytes each at worst, before they are flushed into
	// the buckets of their streams. Up to twice as many are held while a flush is at work.
	Memtable int
	// Failpoint, nil in production, is called where a crash or a disk error matters most. Its error is treated as
	// the engine's at that place. It may end the process.
	Failpoint func(Failpoint) error
}

// Failpoint names a place in the life of a write.
type Failpoint string

// The places.
const (
	BeforeCommit Failpoint = "before commit" // all is prepared, nothing is written
	BeforeSync   Failpoint = "before sync"   // an error here stands for one of a sync: it is always final
	AfterCommit  Failpoint = "after commit"  // all is durable, no caller has been answered
	BeforeFlush  Failpoint = "before flush"  // postings are about to be written into the buckets of their streams
)

// Reserve is what the file may grow beyond MaxSize, so that a full log can still be trimmed.
const Reserve = 16 << 20

const batchBytes = 8 << 20 // bounds a commit as BatchEntries does

// DefaultConfig is a log of any size at path.
func DefaultConfig(path string) Config {
	return Config{
		Path: path, InitialMap: 4 << 30, Timeout: 2 * time.Second, BatchEntries: 4096, Memtable: 64 << 10,
	}
}

func (c Config) Validate() error {
	switch {
	case c.Path == "":
		return errors.New("path: must be set")
	case c.MaxSize != 0 && c.MaxSize < Reserve:
		return errors.New("max_size: must be 0 or at least 16MiB")
	case c.InitialMap < 0:
		return errors.New("initial_map: must not be negative")
	case c.Timeout <= 0:
		return errors.New("timeout: must be positive")
	case c.BatchEntries < 1:
		return errors.New("batch_entries: must be positive")
	case c.Memtable < 1:
		return errors.New("memtable: must be positive")
	}
	return nil
}
