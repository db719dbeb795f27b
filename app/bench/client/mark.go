package client

import (
	"bytes"
	"strconv"
)

// Each published text has a mark that names the message and its reader: "bench:<number>:<reader>:".

// Everybody is the reader of what goes to all followers.
const Everybody = -1

var markStart = []byte("bench:")

// AppendText appends a text of about size bytes with the mark of message number n for a reader.
func AppendText(b []byte, n, reader, size int) []byte {
	start := len(b)
	b = append(b, markStart...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(reader+1), 10) // Everybody is 0
	b = append(b, ':')
	for len(b)-start < size {
		const words = " the light over the harbour goes round and nobody asks it to"
		b = append(b, words[:min(len(words), size-(len(b)-start))]...)
	}
	return b
}

// readMark finds the mark in the data of an event.
func readMark(data []byte) (n, reader int, ok bool) {
	at := bytes.Index(data, markStart)
	if at < 0 {
		return 0, 0, false
	}
	rest := data[at+len(markStart):]
	first := bytes.IndexByte(rest, ':')
	if first < 0 {
		return 0, 0, false
	}
	second := bytes.IndexByte(rest[first+1:], ':')
	if second < 0 {
		return 0, 0, false
	}
	a, ok1 := decimal(rest[:first])
	b, ok2 := decimal(rest[first+1 : first+1+second])
	const bound = 1 << 31
	return int(a), int(b) - 1, ok1 && ok2 && a < bound && b < bound
}
