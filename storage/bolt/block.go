package bolt

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// place is where a record stands, as its stream knows it: the position, and in the lowest bit whether the record is
// internal. Whether it was emptied since only the record tells.
type place uint64

// maxPosition leaves room for the bit.
const maxPosition = social.Position(math.MaxInt64)

func placeOf(p social.Position, flags byte) place { return place(p)<<1 | place(flags&flagInternal) }

func (p place) position() social.Position { return social.Position(p >> 1) }
func (p place) internal() bool            { return p&1 != 0 }

// A block is one value in the bucket of a stream. Its key is the newest position in it; the value begins with the flags
// of that one and goes on, newest first, with the others: varints of twice the distance to the one before, plus the
// internal bit. So a reader seeks the block that holds its place and stops where it has been. A value of one byte is a
// block of one place: layout 1 wrote one for each record.
const (
	blockPlaces = 128 // in one block
	blockJoin   = 256 // a block of fewer bytes takes up what comes next
)

var errBlock = errors.New("places are damaged")

// appendBlock encodes places, which rise, so that older, a block whose key is olderKey, goes on behind them; nil = none.
func appendBlock(b []byte, places []place, olderKey social.Position, older []byte) []byte {
	last := places[len(places)-1]
	b = append(b, byte(last&1))
	for i := len(places) - 2; i >= 0; i-- {
		b = binary.AppendUvarint(b, uint64(last.position()-places[i].position())<<1|uint64(places[i]&1))
		last = places[i]
	}
	if len(older) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(last.position()-olderKey)<<1|uint64(older[0]&flagInternal))
	return append(b, older[1:]...)
}

// decodeBlock appends to list, rising, the places of a block from a position on.
func decodeBlock(list []place, key, value []byte, from social.Position) ([]place, error) {
	if len(key) != keyLen || len(value) == 0 || value[0]&^flagsKnown != 0 || positionOf(key) > maxPosition {
		return list, errBlock
	}
	start := len(list)
	at, bits := positionOf(key), value[0]
	for rest := value[1:]; at >= from; {
		list = append(list, placeOf(at, bits))
		if len(rest) == 0 {
			break
		}
		step, n := binary.Uvarint(rest)
		if n <= 0 || step>>1 == 0 || social.Position(step>>1) >= at {
			return list[:start], errBlock
		}
		at, bits, rest = at-social.Position(step>>1), byte(step)&flagInternal, rest[n:]
	}
	slices.Reverse(list[start:])
	return list, nil
}
