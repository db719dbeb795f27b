package bolt

import (
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// scratch lends a write transaction the memory for what it puts into the file. bbolt copies keys at once and values
// at commit, so the next transaction may use it again. Who has the turn uses it.
type scratch struct {
	buf   []byte
	noted []noted
}

// Memory beyond this is given back after a transaction that was unusually large.
const (
	maxScratch = 4 << 20
	maxNoted   = 16 << 10
)

func (s *scratch) reset() {
	if cap(s.buf) > maxScratch {
		s.buf = nil
	}
	if cap(s.noted) > maxNoted {
		s.noted = nil
	}
	s.buf, s.noted = s.buf[:0], s.noted[:0]
}

// cut gives what was appended behind from; nothing written later changes it.
func (s *scratch) cut(from int) []byte { return s.buf[from:len(s.buf):len(s.buf)] }

// record encodes the record of key.
func (s *scratch) record(key []byte, r *record) []byte {
	from := len(s.buf)
	s.buf = r.appendTo(s.buf, key)
	return s.cut(from)
}

// entry encodes the record an entry becomes, without making the record.
func (s *scratch) entry(key []byte, e *storage.Entry) (value []byte, flags byte) {
	var about [social.MaxAbout * len(social.ID{})]byte
	r := recordOf(e, about[:0])
	from := len(s.buf)
	s.buf = r.appendTo(s.buf, key)
	return s.cut(from), r.flags
}

// block encodes places.
func (s *scratch) block(places []place, olderKey social.Position, older []byte) []byte {
	from := len(s.buf)
	s.buf = appendBlock(s.buf, places, olderKey, older)
	return s.cut(from)
}
