package client

import (
	"bytes"
	"errors"
	"fmt"
)

// frame is one block of an event stream. Its fields are slices of the bytes that were parsed.
type frame struct {
	id, event, data []byte
}

var separator = []byte(": ")

// errFrame marks bytes that no stream may have.
var errFrame = errors.New("not a block of an event stream")

// nextFrame reads the first frame of b into f and returns how many bytes it and the comments before it take. While
// there is no whole frame f.data is nil and the bytes counted, if any, are comments: the caller keeps the rest and
// calls again when more bytes follow. nextFrame allocates nothing.
//
// The parser is strict: a line is "name: value" and ends in one LF, a name comes once, and a block has event and data.
func nextFrame(b []byte, f *frame) (int, error) {
	*f = frame{}
	start, at := 0, 0
	for {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			f.data = nil
			return start, nil
		}
		line := b[at : at+n]
		at += n + 1
		switch {
		case n == 0:
			if f.event == nil || f.data == nil {
				return at, fmt.Errorf("%w: %.80q", errFrame, b[start:at])
			}
			return at, nil
		case line[0] == ':' && start == at-n-1:
			start = at
		default:
			if err := f.set(line); err != nil {
				return at, err
			}
		}
	}
}

func (f *frame) set(line []byte) error {
	name, value, ok := bytes.Cut(line, separator)
	into := (*[]byte)(nil)
	var retry []byte
	switch string(name) {
	case "data":
		into = &f.data
	case "id":
		into = &f.id
	case "event":
		into = &f.event
	case "retry":
		into = &retry
	}
	if !ok || into == nil || *into != nil || len(value) == 0 {
		return fmt.Errorf("%w: %.80q", errFrame, line)
	}
	*into = value
	return nil
}

// decimal reads a number without sign or leading zeros.
func decimal(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 || (b[0] == '0' && len(b) > 1) {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' || v > (1<<64-1-uint64(c-'0'))/10 {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
