package bolt

import (
	"bytes"
	"maps"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// flush writes a frozen memtable into the buckets of the streams, in batches between appends, in the order of the
// buckets, so that a batch changes neighbouring pages. The flushed mark moves with the last batch; after a crash the
// flush is repeated, and leaves out the postings that are in their bucket. The write lock guards it.
type flush struct {
	through social.Position // all up to here is being written
	streams []social.Stream // still to be written
	table   map[social.Stream][]posting
	owed    int // postings to be written before the next batch
}

func (f *flush) on() bool { return f.table != nil }

// flushBatch is how many postings a batch has at least: fewer cost a commit each, more keep appends waiting.
const flushBatch = 1024

// pace is how many postings are flushed for each that is appended: a flush ends while the memtable is half full again.
const pace = 2

func (l *Log) flushBatch() int { return max(1, min(flushBatch, l.cfg.Memtable/8)) }

// advance begins a flush when the memtable is full, and writes the batch that n more records ask for. An error is left
// to the appends that find the memtable full again (makeRoom).
func (l *Log) advance(n int) {
	f := &l.flush
	if f.on() {
		f.owed += pace * n
	} else if l.table.Load().full(l.cfg.Memtable) {
		l.beginFlush()
	}
	if f.on() && f.owed >= l.flushBatch() {
		_ = l.flushSome(f.owed)
	}
}

func (l *Log) beginFlush() {
	table := l.table.Load().freeze()
	streams := slices.SortedFunc(maps.Keys(table), func(a, b social.Stream) int {
		x, y := a.Bytes(), b.Bytes()
		return bytes.Compare(x[:], y[:])
	})
	l.flush = flush{through: l.now.Load().Head, streams: streams, table: table}
}

// makeRoom ends the flush at work when the memtable is full again, which is so only after batches have failed.
func (l *Log) makeRoom() error {
	for l.flush.on() && l.table.Load().full(l.cfg.Memtable) {
		if err := l.flushSome(l.flushBatch()); err != nil {
			return err
		}
	}
	return nil
}

// flushAll writes all there is, if it can: the rest is in the journal. Close calls it.
func (l *Log) flushAll() {
	for l.failed.Load() == nil && (l.flush.on() || l.table.Load().full(1)) {
		if !l.flush.on() {
			l.beginFlush()
		}
		if l.flushSome(8*flushBatch) != nil {
			return
		}
	}
}

// flushSome writes whole streams with at least so many postings, or what is left, in one transaction.
func (l *Log) flushSome(postings int) error {
	f := &l.flush
	done, flushed := 0, 0
	err := l.write(func(w *writer) error {
		if err := l.failpoint(BeforeFlush); err != nil {
			return l.outcome(err)
		}
		for ; done < len(f.streams) && flushed < postings; done++ {
			s := f.streams[done]
			if err := w.index(s, f.table[s]); err != nil {
				return err
			}
			flushed += len(f.table[s])
		}
		if done == len(f.streams) {
			w.flushed = f.through
		}
		w.dirty = true
		return nil
	})
	if err != nil {
		return err
	}
	f.streams, f.owed = f.streams[done:], f.owed-flushed
	if len(f.streams) == 0 {
		l.table.Load().drop(f.through)
		l.flush = flush{}
	}
	return nil
}

// index writes postings into the bucket of their stream, but for those that are there already, from a flush that a
// crash cut off, and those that have been trimmed.
func (w *writer) index(stream social.Stream, list []posting) error {
	list = above(list, w.floor+1)
	name := stream.Bytes()
	b := w.streams().Bucket(name[:])
	var olderKey social.Position
	var older []byte
	if b != nil {
		if k, v := b.Cursor().Last(); k != nil {
			olderKey = positionOf(k)
			if list = above(list, olderKey+1); len(list) > 0 && len(v) < blockJoin {
				older = bytes.Clone(v)
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
	}
	for part := range slices.Chunk(list, blockPostings) {
		if b == nil {
			var err error
			if b, err = w.streams().CreateBucket(name[:]); err != nil {
				return err
			}
		}
		b.FillPercent = 1.0
		value := appendBlock(nil, part, olderKey, older)
		older = nil
		if err := b.Put(keyOf(part[len(part)-1].position()), value); err != nil {
			return err
		}
	}
	return nil
}
