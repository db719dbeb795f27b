package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// run goes through the places of one source in rising order: those in the bucket of the stream first, then those in
// memory. The place at hand is in place.
type run struct {
	place
	broken bool // there is something at place that cannot be read
	bucket bool // the file may have something for it
	stream social.Stream
	from   social.Position
	blocks *bbolt.Cursor
	key    []byte // of the first block, until it is taken
	value  []byte
	buf    []place    // of the block at hand
	block  []place    // what is left of it
	recent [2][]place // what is left in memory, older part first
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

// next goes to the next place, if there is one.
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
			r.place, r.broken = placeOf(positionOf(key), 0), true
			return true
		}
		r.block = r.buf
	}
	if len(r.block) > 0 {
		r.place, r.block = r.block[0], r.block[1:]
		return true
	}
	for i, list := range r.recent {
		for len(list) > 0 && list[0].position() <= r.position() { // moved meanwhile, and read from the bucket
			list = list[1:]
		}
		if r.recent[i] = list; len(list) > 0 {
			r.place, r.recent[i] = list[0], list[1:]
			return true
		}
	}
	return false
}
