package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
)

// layout is the version of the file's content.
const layout = 1

const stateLen = 40

var (
	bucketMeta    = []byte("meta")
	bucketJournal = []byte("journal")
	bucketStreams = []byte("streams")
	bucketErased  = []byte("erased") // inside meta: person -> position of the erase entry, CRC32C
	keyState      = []byte("state")

	errState = errors.New("state is damaged")
)

// state is what the log knows of itself; it moves in the transaction of what it speaks of.
type state struct {
	epoch  uint32 // 0 = no life begun yet
	mark   modules.Position
	floor  modules.Position
	swept  modules.Position // everything up to here has been judged for all who were erased
	erased uint32           // how many people are marked
}

func (s state) encode() []byte {
	b := make([]byte, 0, stateLen)
	b = binary.BigEndian.AppendUint32(b, layout)
	b = binary.BigEndian.AppendUint32(b, s.epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(s.mark))
	b = binary.BigEndian.AppendUint64(b, uint64(s.floor))
	b = binary.BigEndian.AppendUint64(b, uint64(s.swept))
	b = binary.BigEndian.AppendUint32(b, s.erased)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

func decodeState(b []byte) (state, error) {
	if len(b) < 8 || binary.BigEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return state{}, errState
	}
	if v := binary.BigEndian.Uint32(b); v != layout {
		return state{}, fmt.Errorf("layout %d, this program knows %d: %w", v, layout, storage.ErrAhead)
	}
	if len(b) != stateLen {
		return state{}, errState
	}
	return state{
		epoch:  binary.BigEndian.Uint32(b[4:]),
		mark:   modules.Position(binary.BigEndian.Uint64(b[8:])),
		floor:  modules.Position(binary.BigEndian.Uint64(b[16:])),
		swept:  modules.Position(binary.BigEndian.Uint64(b[24:])),
		erased: binary.BigEndian.Uint32(b[32:]),
	}, nil
}

// stateIn reads the state as a transaction sees it.
func stateIn(tx *bbolt.Tx) (state, error) { return decodeState(tx.Bucket(bucketMeta).Get(keyState)) }

// erasures tells for each person who was erased the position of the erase entry. It is never changed, only
// replaced. Records at or below that position that name the person are gone.
type erasures map[modules.ID]modules.Position

// hides reports whether the record at p names somebody who was erased behind it.
func (e erasures) hides(p modules.Position, r *record) bool {
	return len(e) > 0 && r.names(func(id modules.ID) bool { return p <= e[id] })
}

// newest is the highest position of an erase entry.
func (e erasures) newest() (p modules.Position) {
	for _, at := range e {
		p = max(p, at)
	}
	return p
}

func encodeErasure(person modules.ID, at modules.Position) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 12), uint64(at))
	return binary.BigEndian.AppendUint32(b, checksum(person[:], b))
}

func decodeErasure(k, v []byte) (modules.ID, modules.Position, error) {
	if len(k) != len(modules.ID{}) || len(v) != 12 || binary.BigEndian.Uint32(v[8:]) != checksum(k, v[:8]) {
		return modules.ID{}, 0, errState
	}
	return modules.ID(k), modules.Position(binary.BigEndian.Uint64(v)), nil
}

func erasuresIn(tx *bbolt.Tx) (erasures, error) {
	out := erasures{}
	err := tx.Bucket(bucketMeta).Bucket(bucketErased).ForEach(func(k, v []byte) error {
		person, at, err := decodeErasure(k, v)
		out[person] = at
		return err
	})
	return out, err
}
