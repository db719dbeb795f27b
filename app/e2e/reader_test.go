package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// history is everything one client was told, over all its connections.
type history struct {
	Who    member
	Mode   string // posts=
	From   social.Cursor
	Got    []delivered
	Gaps   []gapSeen
	Last   social.Cursor // the client has everything up to here
	Faults []string      // what no client may ever meet
	texts  *texts        // where many clients have the same; nil = each keeps its own
}

// delivered is one event as it came.
type delivered struct {
	ID   social.Cursor
	JSON string
	Road string
}

// gapSeen is one gap a client was told of.
type gapSeen struct {
	To     social.Cursor
	Reason string
	After  int // events before it
}

func (h *history) fault(format string, args ...any) {
	h.Faults = append(h.Faults, fmt.Sprintf(format, args...))
}

// take notes an event.
func (h *history) take(id, text, road string) {
	c, err := social.ParseCursor(id)
	if err != nil || !strings.HasPrefix(text, `{"id":"`+id+`","type":"`) {
		h.fault("%s: event %q: %s", road, id, text)
		return
	}
	if c.Seq <= h.Last.Seq {
		h.fault("%s: %s came after %s was reached", road, c, h.Last)
	}
	h.Last = c
	h.Got = append(h.Got, delivered{c, h.texts.same(c, text), road})
}

// reach notes that everything up to an id was judged.
func (h *history) reach(id, why string) {
	c, err := social.ParseCursor(id)
	if err != nil || c.Seq < h.Last.Seq {
		h.fault("%s says %q after %s", why, id, h.Last)
		return
	}
	h.Last = c
}

// meet notes a gap.
func (h *history) meet(data []byte, road string) {
	var g struct{ To, Reason string }
	c, err := social.Cursor{}, json.Unmarshal(data, &g)
	if err == nil {
		c, err = social.ParseCursor(g.To)
	}
	if err != nil {
		h.fault("%s: gap %s: %v", road, data, err)
		return
	}
	h.Gaps = append(h.Gaps, gapSeen{c, g.Reason, len(h.Got)})
	h.Last = c
}

// reader is a client that reads by all roads in turn, as chance has it, and comes back with its id whatever happens.
type reader struct {
	history
	*caller
	rng  *rand.Rand
	gate *gate
	only string // "stream", "poll" or "long poll" instead of all
	cut  int    // a stream is left after at most so many blocks; 0 = never
	done chan struct{}

	opened int // streams
}

// endMark is in the event after which a reader is done.
const endMark = `"type":"custom.end"`

// newReader makes a client that begins at after, "" = now.
func newReader(base string, who member, mode string, after social.Cursor, g *gate, rng *rand.Rand) *reader {
	r := &reader{history: history{Who: who, Mode: mode, From: after, Last: after}, caller: newCaller(base, who.Token),
		gate: g,
		rng:  rand.New(rand.NewPCG(rng.Uint64(), 1)), cut: 40, done: make(chan struct{})}
	return r
}

// run reads until the end mark has come or ctx ends.
func (r *reader) run(ctx context.Context) {
	defer close(r.done)
	defer r.http.CloseIdleConnections()
	roads := []string{"stream", "stream", "poll", "long poll"}
	failed, empty := false, false
	for len(r.Faults) < 10 && r.gate.pass(ctx, failed) {
		road := r.only
		if road == "" {
			if road = roads[r.rng.IntN(len(roads))]; empty && road == "poll" {
				road = "long poll"
			}
		}
		before := len(r.Got)
		var err error
		if road == "stream" {
			err = r.stream(ctx)
		} else {
			err = r.poll(road == "long poll")
		}
		failed, empty = err != nil && !errors.Is(err, errCut), len(r.Got) == before
		if r.ended() {
			return
		}
	}
}

func (r *reader) ended() bool {
	return len(r.Got) > 0 && strings.Contains(r.Got[len(r.Got)-1].JSON, endMark)
}

// poll asks once.
func (r *reader) poll(long bool) error {
	road, path := "poll", fmt.Sprintf("/v1/events?posts=%s&limit=%d", r.Mode, 1+r.rng.IntN(40))
	if long {
		road, path = "long poll", path+"&wait=2"
	}
	switch r.Last {
	case social.Cursor{}:
	case first:
		path += "&after=oldest"
	default:
		path += "&after=" + r.Last.String()
	}
	status, out, err := r.ask("GET", path, nil, "Accept: application/json")
	switch {
	case err != nil:
		return err
	case status == http.StatusServiceUnavailable:
		return errors.New("not now")
	case status == http.StatusGone:
		var problem struct{ Gap json.RawMessage }
		if err := json.Unmarshal(out, &problem); err != nil {
			r.fault("%s: 410 %s", road, out)
		}
		r.meet(problem.Gap, road)
		return nil
	case status != http.StatusOK:
		r.fault("%s: status %d: %s", road, status, out)
		return errors.New("refused")
	}
	var page struct {
		Items []json.RawMessage
		Next  string
	}
	if err := json.Unmarshal(out, &page); err != nil {
		r.fault("%s: %v: %s", road, err, out)
		return err
	}
	if r.From.IsZero() {
		if r.From, err = social.ParseCursor(page.Next); err != nil {
			r.fault("%s: next is %q", road, page.Next)
		}
	}
	for _, item := range page.Items {
		var e struct{ ID string }
		_ = json.Unmarshal(item, &e) // take judges it
		r.take(e.ID, string(item), road)
		if r.ended() {
			return nil
		}
	}
	r.reach(page.Next, road)
	return nil
}

var errCut = errors.New("cut by the client")

// stream reads one connection.
func (r *reader) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := ""
	if r.Last == first {
		begin = "&after=oldest"
	}
	req, err := http.NewRequestWithContext(ctx, "GET", r.base+"/v1/events?posts="+r.Mode+begin, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+r.token)
	if !r.Last.IsZero() && begin == "" {
		req.Header.Set("Last-Event-ID", r.Last.String())
	}
	client := http.Client{Transport: r.http.Transport}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		r.fault("stream: status %d", resp.StatusCode)
		return errors.New("refused")
	}
	r.opened++
	blocks := bufio.NewReaderSize(resp.Body, 64<<10)
	left := -1
	if r.cut > 0 {
		left = 1 + r.rng.IntN(r.cut)
	}
	for ; left != 0; left-- {
		b, err := nextBlock(blocks)
		if err != nil {
			return err
		}
		switch b.Event {
		case "ready":
			r.begin(b)
		case "gap":
			r.meet([]byte(b.Data), "stream")
		case "bye":
			if b.ID != "" {
				r.reach(b.ID, "bye")
			}
			return errors.New("bye")
		default:
			r.take(b.ID, b.Data, "stream")
		}
		if r.ended() {
			return nil
		}
	}
	return errCut
}

// begin checks ready: it holds the place the client has, or none before a gap.
func (r *reader) begin(b block) {
	switch c, err := social.ParseCursor(b.ID); {
	case b.ID == "":
	case err != nil:
		r.fault("ready has the id %q", b.ID)
	case r.From.IsZero(), r.Last == first:
		r.From, r.Last = c, c
	case c != r.Last:
		r.fault("ready is at %s, the client at %s", c, r.Last)
	}
}

// errCutOff is the end of a stream inside a block.
var errCutOff = errors.New("ended inside a block")

// nextBlock reads one block. io.EOF is an end between blocks.
func nextBlock(r *bufio.Reader) (b block, err error) {
	fields := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && (line != "" || fields > 0) {
				err = errCutOff
			}
			return b, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case line == "" && fields > 0:
			return b, nil
		case line == ": hb" && fields == 0:
			continue
		case !ok:
			return b, fmt.Errorf("line %q", line)
		case name == "id":
			b.ID = value
		case name == "event":
			b.Event = value
		case name == "retry":
			b.Retry = value
		case name == "data":
			b.Data = value
		}
		fields++
	}
}
