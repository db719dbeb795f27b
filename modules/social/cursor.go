package social

import (
	"errors"
	"strconv"
)

// Position is the growing number of an event in the log, shared by all streams. It has holes, says nothing
// of time, and is never given out twice within an epoch. 0 stands before the first event.
type Position uint64

// Cursor is a place in the log: the epoch names the run of the server that gave the position. Its text "<epoch>-<seq>"
// is the id of an event, of an SSE block, and what clients hold; opaque to them. It is made from a position by Kept,
// and never by putting an epoch that is at hand before another position.
type Cursor struct {
	Epoch uint32
	Seq   Position
}

// ErrBadCursor is returned for text that is not of the form ^[1-9][0-9]{0,9}-(0|[1-9][0-9]{0,19})$ within
// uint32 and uint64.
var ErrBadCursor = errors.New("not an event id")

// ParseCursor reads an event id. It allocates nothing on success.
func ParseCursor(s string) (Cursor, error) {
	if len(s) < 3 || len(s) > 31 {
		return Cursor{}, ErrBadCursor
	}
	dash := -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '-' && dash < 0:
			dash = i
		case c < '0' || c > '9':
			return Cursor{}, ErrBadCursor
		}
	}
	if dash < 1 || dash == len(s)-1 || s[0] == '0' || (s[dash+1] == '0' && len(s) > dash+2) {
		return Cursor{}, ErrBadCursor
	}
	epoch, err := strconv.ParseUint(s[:dash], 10, 32)
	if err != nil {
		return Cursor{}, ErrBadCursor
	}
	seq, err := strconv.ParseUint(s[dash+1:], 10, 64)
	if err != nil {
		return Cursor{}, ErrBadCursor
	}
	return Cursor{Epoch: uint32(epoch), Seq: Position(seq)}, nil
}

// IsZero reports "no cursor": an epoch is never 0.
func (c Cursor) IsZero() bool { return c.Epoch == 0 }

func (c Cursor) AppendText(b []byte) ([]byte, error) {
	b = strconv.AppendUint(b, uint64(c.Epoch), 10)
	b = append(b, '-')
	return strconv.AppendUint(b, uint64(c.Seq), 10), nil
}

func (c Cursor) String() string {
	b, _ := c.AppendText(make([]byte, 0, 31))
	return string(b)
}

func (c Cursor) MarshalText() ([]byte, error) { return c.AppendText(nil) }

func (c *Cursor) UnmarshalText(b []byte) error {
	v, err := ParseCursor(string(b))
	if err != nil {
		return err
	}
	*c = v
	return nil
}

// GapReason says why a cursor cannot be honoured.
type GapReason string

// The reasons. Where a reader goes on: expired - the oldest kept; epoch, future and invalid - the head;
// damaged - behind the damaged record.
const (
	GapExpired GapReason = "expired"
	GapEpoch   GapReason = "epoch"
	GapFuture  GapReason = "future"
	GapInvalid GapReason = "invalid"
	GapDamaged GapReason = "damaged"
)

// GapError says that events after a cursor cannot be given, and where to go on. It is never silent: a reader
// that meets it tells its client.
type GapError struct {
	From   Cursor // what was asked; zero for invalid
	To     Cursor // where to go on
	Reason GapReason
}

func (e *GapError) Error() string {
	return "gap " + string(e.Reason) + " from " + e.From.String() + " to " + e.To.String()
}
