package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// layout is the version of the file's content. A file of an older layout is set aside and built again.
const (
	layout   = 4
	stateLen = 52
)

var (
	bucketMeta    = []byte("meta")    // so small that bbolt keeps it in the page of the root
	bucketEpochs  = []byte("epochs")  // the table of epochs, as one value
	bucketErased  = []byte("erased")  // person -> position of the erase entry, CRC32C
	bucketJournal = []byte("journal") // position -> record
	bucketInbox   = []byte("inbox")   // position -> record: the newest, at most a page of them
	bucketStreams = []byte("streams") // stream -> position -> block of postings
	keyState      = []byte("state")
	keyEpochs     = []byte("table")

	errState = errors.New("state is damaged")
)

// state is what the log knows of itself. It changes in the transaction of what it speaks of.
type state struct {
	mark    social.Position
	floor   social.Position
	swept   social.Position // everything up to here has been judged for all who were erased
	flushed social.Position // postings up to here are in the buckets of their streams
	count   uint64          // of the records in journal and inbox
	gone    uint32          // how many people are in the bucket of the erased
}

func (s state) encode() []byte {
	b := make([]byte, 0, stateLen)
	b = binary.BigEndian.AppendUint32(b, layout)
	for _, p := range []social.Position{s.mark, s.floor, s.swept, s.flushed} {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	b = binary.BigEndian.AppendUint64(b, s.count)
	b = binary.BigEndian.AppendUint32(b, s.gone)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

func decodeState(b []byte) (state, error) {
	if len(b) < 8 || binary.BigEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return state{}, errState
	}
	switch found := binary.BigEndian.Uint32(b); {
	case found > layout:
		return state{}, fmt.Errorf("layout %d, this program knows %d: %w", found, layout, storage.ErrAhead)
	case found < layout:
		return state{}, fmt.Errorf("layout %d is no longer read", found)
	case len(b) != stateLen:
		return state{}, errState
	}
	position := func(at int) social.Position { return social.Position(binary.BigEndian.Uint64(b[at:])) }
	return state{
		mark: position(4), floor: position(12), swept: position(20), flushed: position(28),
		count: binary.BigEndian.Uint64(b[36:]), gone: binary.BigEndian.Uint32(b[44:]),
	}, nil
}

// stateIn reads the state as a transaction sees it.
func stateIn(tx *bbolt.Tx) (state, error) { return decodeState(tx.Bucket(bucketMeta).Get(keyState)) }

// erasures tells for each person who was erased the position of the erase entry. It is never changed, only
// replaced. Records at or below that position that name the person are gone.
type erasures map[social.ID]social.Position

// hides reports whether the record at p names a person who was erased behind it.
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

// encodeEpochs: number and After of each row, and CRC32C of all.
func encodeEpochs(t social.Epochs) []byte {
	b := make([]byte, 0, len(t)*epochLen+4)
	for _, e := range t {
		b = binary.BigEndian.AppendUint32(b, e.Number)
		b = binary.BigEndian.AppendUint64(b, uint64(e.After))
	}
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

const epochLen = 12

// decodeEpochs: no value is an empty table.
func decodeEpochs(b []byte) (social.Epochs, error) {
	if b == nil {
		return nil, nil
	}
	rows := len(b) - 4
	if rows < 0 || rows%epochLen != 0 || binary.BigEndian.Uint32(b[rows:]) != checksum(b[:rows]) {
		return nil, errState
	}
	t := make(social.Epochs, 0, rows/epochLen)
	for at := 0; at < rows; at += epochLen {
		t = append(t, social.Epoch{Number: binary.BigEndian.Uint32(b[at:]),
			After: social.Position(binary.BigEndian.Uint64(b[at+4:]))})
	}
	return t, nil
}
