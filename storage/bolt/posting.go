package bolt

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// posting is what a stream knows of one of its records: the position, and in the lowest bit whether the record is
// internal. Whether the record was emptied since only the record tells.
type posting uint64

// maxPosition leaves room for the bit.
const maxPosition = social.Position(math.MaxInt64)

func postingOf(p social.Position, flags byte) posting {
	return posting(p)<<1 | posting(flags&flagInternal)
}

func (p posting) position() social.Position { return social.Position(p >> 1) }
func (p posting) internal() bool            { return p&1 != 0 }

// A block is one value in the bucket of a stream. Its key is the newest position in it; the value begins with the flags
// of that one and goes on, newest first, with the others: varints of twice the distance to the one before, plus the
// internal bit. So a reader seeks the block that holds its position and stops where it has been.
const (
	blockPostings = 128 // a flush puts so many into one block
	blockJoin     = 256 // a block of fewer bytes takes up what comes next
	maxBlock      = blockJoin + blockPostings*binary.MaxVarintLen64
)

var errBlock = errors.New("postings are damaged")

// appendBlock encodes postings, which rise, so that older, a block whose key is olderKey, goes on behind them; nil =
// none.
func appendBlock(b []byte, list []posting, olderKey social.Position, older []byte) []byte {
	last := list[len(list)-1]
	b = append(b, byte(last&1))
	for i := len(list) - 2; i >= 0; i-- {
		b = binary.AppendUvarint(b, uint64(last.position()-list[i].position())<<1|uint64(list[i]&1))
		last = list[i]
	}
	if len(older) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(last.position()-olderKey)<<1|uint64(older[0]&flagInternal))
	return append(b, older[1:]...)
}

// decodeBlock appends to list, rising, the postings of a block from a position on.
func decodeBlock(list []posting, key, value []byte, from social.Position) ([]posting, error) {
	if len(key) != keyLen || positionOf(key) > maxPosition || len(value) == 0 || len(value) > maxBlock ||
		value[0]&^flagsKnown != 0 {
		return list, errBlock
	}
	start := len(list)
	at, bits := positionOf(key), value[0]
	for rest := value[1:]; at >= from; {
		list = append(list, postingOf(at, bits))
		if len(rest) == 0 {
			break
		}
		step, n := binary.Uvarint(rest)
		if n <= 0 || step>>1 == 0 || social.Position(step>>1) >= at {
			return list[:start], errBlock
		}
		at, bits, rest = at-social.Position(step>>1), byte(step&uint64(flagInternal)), rest[n:]
	}
	slices.Reverse(list[start:])
	return list, nil
}
