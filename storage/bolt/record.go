package bolt

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// A record is the value of one position in the journal:
//
//	0  4  CRC32C of the key and of everything behind these four bytes
//	4  1  flags
//	5  17 stream
//	22 8  time, ms since 1970
//	30 8  outbox id
//	38 1  length of the type
//	39 1  number of people it is about
//	40    the people, 16 bytes each; the type; the data
//
// A record whose data was emptied keeps its first 40 bytes and its type.
const (
	keyLen    = 8
	headLen   = 40
	maxType   = 255
	maxRecord = headLen + maxType + social.MaxAbout*len(social.ID{}) + storage.MaxPayload
	flagsAt   = 4
	streamAt  = 5
	timeAt    = streamAt + social.StreamLen
	outboxAt  = timeAt + 8
	typeLenAt = outboxAt + 8
	aboutAt   = typeLenAt + 1
)

const (
	flagInternal byte = 1 << iota
	flagEmpty         // redacted or erased
	flagsKnown   = flagInternal | flagEmpty
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errRecord = errors.New("record is damaged")
)

// record is a decoded value, whose slices point into the transaction; or one to be written.
type record struct {
	flags  byte
	stream social.Stream
	time   social.Time
	outbox int64
	typ    []byte // of a record that was read
	name   string // of one that is to be written: either way the type
	about  []byte
	data   []byte
}

func keyOf(p social.Position) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, keyLen), uint64(p))
}

func positionOf(key []byte) social.Position { return social.Position(binary.BigEndian.Uint64(key)) }

func recordOf(e *storage.Entry) record {
	r := record{stream: e.Stream, time: e.Time, outbox: e.OutboxID, name: e.Type, data: e.Data}
	if e.Internal {
		r.flags |= flagInternal
	}
	for i := range e.About {
		r.about = append(r.about, e.About[i][:]...)
	}
	if len(e.Data) == 0 {
		r.clear()
	}
	return r
}

// clear takes the payload and the names out and keeps the place.
func (r *record) clear() {
	r.flags |= flagEmpty
	r.about, r.data = nil, nil
}

// appendTo writes r behind b as the value of key.
func (r *record) appendTo(b, key []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, r.flags)
	stream := r.stream.Bytes()
	b = append(b, stream[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.time))
	b = binary.BigEndian.AppendUint64(b, uint64(r.outbox))
	b = append(b, byte(len(r.typ)+len(r.name)), byte(len(r.about)/len(social.ID{})))
	b = append(b, r.about...)
	b = append(b, r.typ...)
	b = append(b, r.name...)
	b = append(b, r.data...)
	binary.BigEndian.PutUint32(b[start:], checksum(key, b[start+flagsAt:]))
	return b
}

// decode reads the value of key. Anything but what appendTo wrote for this very key is errRecord.
func decode(key, v []byte) (record, error) {
	if len(key) != keyLen || len(v) < headLen || len(v) > maxRecord ||
		binary.BigEndian.Uint32(v) != checksum(key, v[flagsAt:]) {
		return record{}, errRecord
	}
	stream, err := social.StreamOf(v[streamAt:timeAt])
	types, about := int(v[typeLenAt]), int(v[aboutAt])*len(social.ID{})
	if err != nil || v[flagsAt]&^flagsKnown != 0 || v[aboutAt] > social.MaxAbout || len(v) < headLen+types+about {
		return record{}, errRecord
	}
	r := record{
		flags:  v[flagsAt],
		stream: stream,
		time:   social.Time(binary.BigEndian.Uint64(v[timeAt:])),
		outbox: int64(binary.BigEndian.Uint64(v[outboxAt:])),
		about:  v[headLen : headLen+about],
		typ:    v[headLen+about : headLen+about+types],
		data:   v[headLen+about+types:],
	}
	if (r.flags&flagEmpty != 0) != (len(r.data) == 0) || (len(r.data) == 0 && about != 0) {
		return record{}, errRecord
	}
	return r, nil
}

// names reports whether the record is a person's: their stream, their act, or about them.
func (r *record) names(hit func(social.ID) bool) bool { return hit(r.stream.User) || r.isAbout(hit) }

// isAbout reports whether the record names a person.
func (r *record) isAbout(hit func(social.ID) bool) bool {
	for i := 0; i < len(r.about); i += len(social.ID{}) {
		if hit(social.ID(r.about[i : i+len(social.ID{})])) {
			return true
		}
	}
	return false
}

// event copies the record out of the transaction, into memory that the events of one page share.
func (r *record) event(at social.Cursor, mem *copies) social.Event {
	e := social.Event{
		Cursor:   at,
		Stream:   r.stream,
		Type:     mem.name(r.typ),
		Time:     r.time,
		Internal: r.flags&flagInternal != 0,
	}
	if len(r.about) > 0 {
		e.About = mem.people(r.about)
	}
	if len(r.data) > 0 {
		e.Data = mem.bytes(r.data)
	}
	return e
}

// copies is where the events of one page keep their data: a few pieces of memory instead of three for each event. An
// event that is kept keeps its piece, which is why pieces are small.
type copies struct {
	data []byte
	ids  []social.ID
	typ  string // of the event before: most often that of the next
}

const (
	minPiece = 512
	maxPiece = 16 << 10
)

func (c *copies) bytes(b []byte) []byte {
	if cap(c.data)-len(c.data) < len(b) {
		c.data = make([]byte, 0, max(len(b), min(maxPiece, max(minPiece, 2*cap(c.data)))))
	}
	from := len(c.data)
	c.data = append(c.data, b...)
	return c.data[from:len(c.data):len(c.data)]
}

func (c *copies) name(b []byte) string {
	if c.typ != string(b) {
		c.typ = string(b)
	}
	return c.typ
}

func (c *copies) people(b []byte) []social.ID {
	n := len(b) / len(social.ID{})
	if cap(c.ids)-len(c.ids) < n {
		c.ids = make([]social.ID, 0, max(n, min(maxPiece/len(social.ID{}), max(8, 2*cap(c.ids)))))
	}
	from := len(c.ids)
	for ; len(b) > 0; b = b[len(social.ID{}):] {
		c.ids = append(c.ids, social.ID(b[:len(social.ID{})]))
	}
	return c.ids[from:len(c.ids):len(c.ids)]
}

func checksum(parts ...[]byte) uint32 {
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}
