package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// layout is the version of the file's content. A file of layout 1 differs in three things: each place has a value of
// its own (a block of one), the erased stand inside meta, and the state has no sum. Open brings it up to date in one
// small transaction.
const (
	layout    = 2
	layoutOne = 1

	stateLen    = 60
	stateLenOne = 40
)

var (
	bucketMeta    = []byte("meta")    // so small that it stands in the page of the root, which every commit writes anyway
	bucketErased  = []byte("erased")  // person -> position of the erase entry, CRC32C
	bucketJournal = []byte("journal") // position -> record
	bucketStreams = []byte("streams") // stream -> position -> block
	keyState      = []byte("state")

	errState = errors.New("state is damaged")
)

// state is what the log knows of itself; it moves in the transaction of what it speaks of.
type state struct {
	epoch   uint32 // 0 = no life begun yet
	mark    social.Position
	floor   social.Position
	swept   social.Position // everything up to here has been judged for all who were erased
	indexed social.Position // places up to here are in the buckets of their streams
	tx      uint64          // the transaction that wrote this
	sum     uint64          // of the prints of all records and all who were erased: tells a commit of which only parts are on disk
	people  uint32          // layout 1 only: how many were erased
	layout  uint32          // of the file it was read from
}

func (s state) encode() []byte {
	b := make([]byte, 0, stateLen)
	b = binary.BigEndian.AppendUint32(b, layout)
	b = binary.BigEndian.AppendUint32(b, s.epoch)
	for _, p := range []social.Position{s.mark, s.floor, s.swept, s.indexed} {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	b = binary.BigEndian.AppendUint64(b, s.tx)
	b = binary.BigEndian.AppendUint64(b, s.sum)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

func decodeState(b []byte) (state, error) {
	if len(b) < 8 || binary.BigEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return state{}, errState
	}
	s := state{layout: binary.BigEndian.Uint32(b), epoch: binary.BigEndian.Uint32(b[4:])}
	positions := []*social.Position{&s.mark, &s.floor, &s.swept, &s.indexed}
	switch {
	case s.layout > layout:
		return state{}, fmt.Errorf("layout %d, this program knows %d: %w", s.layout, layout, storage.ErrAhead)
	case s.layout == layout && len(b) == stateLen:
		s.tx, s.sum = binary.BigEndian.Uint64(b[40:]), binary.BigEndian.Uint64(b[48:])
	case s.layout == layoutOne && len(b) == stateLenOne:
		s.people, positions = binary.BigEndian.Uint32(b[32:]), positions[:3]
	default:
		return state{}, errState
	}
	for i, p := range positions {
		*p = social.Position(binary.BigEndian.Uint64(b[8+8*i:]))
	}
	if s.layout == layoutOne {
		s.indexed = s.mark
	}
	return s, nil
}

// stateIn reads the state as a transaction sees it.
func stateIn(tx *bbolt.Tx) (state, error) { return decodeState(tx.Bucket(bucketMeta).Get(keyState)) }

// erasures tells for each person who was erased the position of the erase entry. It is never changed, only
// replaced. Records at or below that position that name the person are gone.
type erasures map[social.ID]social.Position

// hides reports whether the record at p names somebody who was erased behind it.
func (e erasures) hides(p social.Position, r *record) bool {
	return len(e) > 0 && r.names(func(id social.ID) bool { return p <= e[id] })
}

// newest is the highest position of an erase entry.
func (e erasures) newest() (p social.Position) {
	for _, at := range e {
		p = max(p, at)
	}
	return p
}

func encodeErasure(person social.ID, at social.Position) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 12), uint64(at))
	return binary.BigEndian.AppendUint32(b, checksum(person[:], b))
}

func decodeErasure(k, v []byte) (social.ID, social.Position, error) {
	if len(k) != len(social.ID{}) || len(v) != 12 || binary.BigEndian.Uint32(v[8:]) != checksum(k, v[:8]) {
		return social.ID{}, 0, errState
	}
	return social.ID(k), social.Position(binary.BigEndian.Uint64(v)), nil
}

func erasuresIn(tx *bbolt.Tx) (erasures, error) {
	out := erasures{}
	err := tx.Bucket(bucketErased).ForEach(func(k, v []byte) error {
		person, at, err := decodeErasure(k, v)
		out[person] = at
		return err
	})
	return out, err
}

// printOf is what a value of the journal, or of the erased, adds to the sum. Its checksum stands for its content.
func printOf(key, value []byte) uint64 {
	var sum uint32
	switch {
	case len(key) == keyLen && len(value) >= 4: // a record
		sum = binary.BigEndian.Uint32(value)
	case len(value) >= 4:
		sum = binary.BigEndian.Uint32(value[len(value)-4:])
	}
	return mix(mix(binary.BigEndian.Uint64(key)+0x9E3779B97F4A7C15) + uint64(sum))
}

// fingerprint mixes a place into a number, so that two sums over many of them tell whether they are the same places.
func fingerprint(stream uint64, p place) uint64 { return mix(stream ^ uint64(p)*0x9E3779B97F4A7C15) }

func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}
