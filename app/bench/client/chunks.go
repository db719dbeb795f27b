package client

import (
	"bytes"
	"errors"
)

// chunks takes the framing off a chunked body (RFC 9112, 7.1), which a proxy may put around a stream. The zero value
// stands before the first chunk.
type chunks struct {
	left int // bytes of the chunk that are still to come
	line []byte
	tail bool // the line feed behind a chunk is to come
}

var errChunk = errors.New("not a chunk")

// strip moves the content of b to its front and returns it. Extensions are skipped; trailers are an error.
func (c *chunks) strip(b []byte) ([]byte, error) {
	out := b[:0]
	for len(b) > 0 {
		if c.left > 0 {
			n := min(c.left, len(b))
			out = append(out, b[:n]...)
			b = b[n:]
			c.left -= n
			c.tail = c.left == 0
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			c.line = append(c.line, b...)
			break
		}
		c.line = append(c.line, b[:end]...)
		b = b[end+1:]
		line := bytes.TrimSuffix(c.line, []byte("\r"))
		c.line = c.line[:0]
		if c.tail {
			c.tail = false
			if len(line) != 0 {
				return out, errChunk
			}
			continue
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, ok := hexadecimal(bytes.TrimSpace(size))
		if !ok {
			return out, errChunk
		}
		c.left, c.tail = n, n == 0 // behind the last chunk comes an empty line, too
	}
	return out, nil
}

func hexadecimal(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 7 {
		return 0, false
	}
	for _, c := range b {
		d := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if d < 0 {
			return 0, false
		}
		n = n<<4 | d
	}
	return n, true
}
