package frames

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
)

// block is one dispatched event, by the strict parser.
type block struct {
	id, event, retry, data string
	raw                    string
}

// errSyntax is a break of the form of api.md 2.6; errCut says that the connection ended inside a block.
var (
	errSyntax = errors.New("not the form of a block")
	errCut    = errors.New("cut")
)

// parseBlock reads a block; heartbeats before it are counted in beats.
func parseBlock(r *bufio.Reader) (b block, beats int, err error) {
	last := -1
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if line != "" || b.raw != "" {
				return b, beats, fmt.Errorf("%w: %w: %q", errSyntax, errCut, b.raw+line)
			}
			return b, beats, err
		}
		if line == Heartbeat && b.raw == "" {
			beats++
			continue
		}
		b.raw += line
		if line == "\n" {
			if b.event == "" || b.data == "" {
				return b, beats, fmt.Errorf("%w: without event or data: %q", errSyntax, b.raw)
			}
			return b, beats, nil
		}
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		place := map[string]int{"id": 0, "event": 1, "retry": 2, "data": 3}
		n, known := place[name]
		if !ok || !known || n <= last || strings.ContainsAny(value, "\r\x00") {
			return b, beats, fmt.Errorf("%w: line %q", errSyntax, line)
		}
		last = n
		switch name {
		case "id":
			b.id = value
		case "event":
			b.event = value
		case "retry":
			b.retry = value
		case "data":
			b.data = value
		}
	}
}
