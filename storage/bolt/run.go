package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// run goes through the postings of one source in rising order: those in the bucket of the stream first, then those in
// the memtable. The one at hand is at.
type run struct {
	at     posting
	broken bool // there is something at that position that cannot be read
	bucket bool // the file may have something for it
	stream social.Stream
	from   social.Position
	blocks *bbolt.Cursor
	key    []byte // of the first block, until it is taken
	value  []byte
	buf    []posting    // of the block at hand
	block  []posting    // what is left of it
	memory [2][]posting // what is left in the memtable, frozen before active
}

// seek finds the first block that has something for the reader.
func (r *run) seek(streams *bbolt.Bucket) {
	name := r.stream.Bytes()
	if b := streams.Bucket(name[:]); b != nil {
		r.blocks = b.Cursor()
		if r.key, r.value = r.blocks.Seek(keyOf(r.from)); r.key == nil {
			r.blocks = nil
		}
	}
}

// next goes to the next posting, if there is one.
func (r *run) next() bool {
	r.broken = false
	for len(r.block) == 0 && r.blocks != nil {
		key, value := r.key, r.value
		if r.key = nil; key == nil {
			key, value = r.blocks.Next()
		}
		if key == nil {
			r.blocks = nil
			break
		}
		var err error
		if r.buf, err = decodeBlock(r.buf[:0], key, value, r.from); err != nil {
			r.at, r.broken = postingOf(positionOf(key), 0), true
			return true
		}
		r.block = r.buf
	}
	if len(r.block) > 0 {
		r.at, r.block = r.block[0], r.block[1:]
		return true
	}
	for i, list := range r.memory {
		for len(list) > 0 && list[0].position() <= r.at.position() { // flushed meanwhile, and read from the bucket
			list = list[1:]
		}
		if r.memory[i] = list; len(list) > 0 {
			r.at, r.memory[i] = list[0], list[1:]
			return true
		}
	}
	return false
}
