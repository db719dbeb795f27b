package social

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ID names a user, a post, a notification, a session or any other thing with an identity. It is a UUIDv7
// (RFC 9562), opaque to clients. The zero ID stands for "none" and is never given out. IDs order roughly by
// time in one process; nothing may rely on it.
type ID [16]byte

// ErrBadID is returned for text that is not a lower-case UUID of 36 characters.
var ErrBadID = errors.New("not an id")

// NewID returns a fresh id. It is safe for concurrent use.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// ParseID reads the canonical text form: 36 characters, lower case. Anything else gives ErrBadID.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, ErrBadID
	}
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return ID{}, ErrBadID
	}
	return ID(u), nil
}

// PathID reads an id of a path. One that cannot be read is zero, which nothing has: not found.
func PathID(s string) ID {
	id, _ := ParseID(s)
	return id
}

// IsZero reports whether id is "none".
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

func (id ID) String() string { return uuid.UUID(id).String() }

func (id ID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// Value stores an id as its 16 bytes, and "none" as NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return append([]byte(nil), id[:]...), nil
}

// Scan reads what Value wrote; NULL is "none".
func (id *ID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ID{}
		return nil
	case []byte:
		if len(v) == 16 {
			copy(id[:], v)
			return nil
		}
		return id.UnmarshalText(v)
	case string:
		return id.UnmarshalText([]byte(v))
	default:
		return fmt.Errorf("scan id: unexpected %T", src)
	}
}
