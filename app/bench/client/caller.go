package client

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Caller is one client of the API that keeps its connection. A Caller is for one goroutine and costs little CPU:
// requests and answers are handled without net/http, in buffers that every request uses again.
type Caller struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	reply   []byte
	got     int64
}

// answerWithin bounds one request.
const answerWithin = 30 * time.Second

// NewCaller makes a client of the server at host:port; the first request connects.
func NewCaller(address string) *Caller { return &Caller{address: address} }

// Ask makes a request and returns the status and body of the answer; the bytes are valid until the next request. A nil
// body sends none. who is a header line (Person.Credential). After an error the server may or may not have done the
// request; the next one uses a new connection.
func (c *Caller) Ask(method, path, who string, body []byte) (status int, reply []byte, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.address); err != nil {
			c.conn = nil
			return 0, nil, err
		}
		c.in = bufio.NewReaderSize(counted{c}, 16<<10)
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, nil, err
	}
	b := append(c.out[:0], method...)
	b = append(append(b, ' '), path...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.address...)
	b = append(append(b, "\r\nAccept: application/json\r\n"...), who...)
	if body != nil {
		b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(append(b, "\r\n\r\n"...), body...)
	c.out = b
	if _, err = c.conn.Write(b); err == nil {
		var again bool
		status, again, err = c.read()
		if err == nil && again {
			return status, c.reply, nil
		}
	}
	c.Close()
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return status, c.reply, nil
}

// counted reads from a caller's connection and counts.
type counted struct{ *Caller }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	c.got += int64(n)
	return n, err
}

// Received is how many bytes of answers have come, heads included.
func (c *Caller) Received() int64 { return c.got }

// read reads one answer into c.reply, and reports whether the connection can be used again.
func (c *Caller) read() (status int, again bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, fmt.Errorf("the answer began with %.40q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, err
	}
	again = true
	length := 0
	for {
		if line, err = c.line(); err != nil {
			return 0, false, err
		}
		if len(line) == 0 {
			break
		}
		switch name, value, _ := bytes.Cut(line, separator); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, fmt.Errorf("the length of an answer was %.20q", value)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			again = again && !bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		}
	}
	if length < 0 {
		return status, again, c.readChunks()
	}
	if cap(c.reply) < length {
		c.reply = make([]byte, length)
	}
	c.reply = c.reply[:length]
	_, err = io.ReadFull(c.in, c.reply)
	return status, again, err
}

func (c *Caller) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// readChunks reads a chunked body; a proxy may send one.
func (c *Caller) readChunks() error {
	c.reply = c.reply[:0]
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, ok := hexadecimal(line)
		if !ok {
			return errChunk
		}
		start := len(c.reply)
		c.reply = append(c.reply, make([]byte, size)...)
		if _, err := io.ReadFull(c.in, c.reply[start:]); err != nil {
			return err
		}
		if line, err = c.line(); err != nil {
			return err
		} else if len(line) > 0 {
			return errChunk
		}
		if size == 0 {
			return nil
		}
	}
}

// Close closes the connection. A later Ask opens a new one.
func (c *Caller) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
