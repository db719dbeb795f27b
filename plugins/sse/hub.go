package sse

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// hub is the engine: one goroutine that owns everything below "state" and never waits for a socket, the store or
// the log.
type hub struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	inbox   inbox
	random  func() float64 // [0, 1)
	nearBy  int            // see there; a test may set it before the hub runs

	questions chan question // to the asking workers; the hub never has more out than fit
	pages     chan pageJob  // to the catch-up workers, likewise
	batches   chan struct{} // a place for each batch that waits to be taken over

	// The last failure that was not followed by a success, of the store and of the log.
	storeTrouble, logTrouble trouble

	// state
	tail     *tail
	index    index
	wheel    wheel
	now      time.Duration // monotonic, by the ticker; wall time plays no part
	ticked   time.Time     // the ticker's last value
	epoch    uint32
	head     social.Position    // dispatched: every event up to here was judged for the index
	before   social.Position    // the one before head
	heard    bool               // something was dispatched: the tail is whole from there on
	line     queue[*connection] // to be served, in order
	askNext  queue[*person]     // to be asked about, in order
	asked    int                // questions out
	readNext queue[*connection] // to be read for, in order
	readOut  int                // pages out
	away     queue[away]        // people who left, in order
	kept     int                // what they weigh
	timers   []timer
	open     int
	draining bool
	empty    []chan struct{} // closed when the last connection has left
	joined   joined          // the write being put together
	places   []uint32        // scratch of missed
	rooms    []room          // of page jobs that are not out

	// What the kernel took since the metrics were told last.
	bytesOut, blocksOut int
}

// timer runs a function at a moment of the hub's clock. There are few: one per person whose question failed.
type timer struct {
	at  time.Duration
	run func()
}

func newHub(cfg Config, env plugins.Env, random func() float64) *hub {
	h := &hub{
		cfg: cfg, log: env.Log, metrics: newMetrics(), random: random, nearBy: nearBy, index: newIndex(),
		wheel:     wheel{tick: tickOf(cfg)},
		questions: make(chan question, cfg.AudienceWorkers),
		pages:     make(chan pageJob, cfg.CatchUpWorkers),
		batches:   make(chan struct{}, maxBatches),
		inbox:     inbox{wake: make(chan struct{}, 1)},
	}
	h.tail = newTail(int(cfg.TailBytes), 0, &h.index.authors)
	return h
}

// tickOf is how exact deadlines are.
func tickOf(cfg Config) time.Duration {
	shortest := min(cfg.Heartbeat, cfg.ProgressTimeout, cfg.WriteTimeout, cfg.FinishTimeout)
	return min(max(shortest/8, time.Millisecond), 250*time.Millisecond)
}

// maxBatches is how many published batches may wait for the hub; then Publish waits, and only this listener is
// behind. passesInARow is how many connections are served before the hub looks at its inbox and its clock again.
const (
	maxBatches   = 8
	passesInARow = 64
)

// run is the hub's goroutine. It ends when ctx has ended and no connection is left.
func (h *hub) run(ctx context.Context) {
	ticker := time.NewTicker(h.wheel.tick)
	defer ticker.Stop()
	done := ctx.Done()
	for {
		select {
		case <-h.inbox.wake:
		case t := <-ticker.C:
			h.elapse(t)
		case <-done:
			done = nil
			h.drain(nil)
		}
		for h.step() {
			select {
			case t := <-ticker.C:
				h.elapse(t)
			default:
			}
		}
		if done == nil && h.open == 0 && h.inbox.close() {
			return
		}
	}
}

// do has fn run on the hub's goroutine, soon and in order. False = the hub has ended and fn will not run.
func (h *hub) do(fn func()) bool { return h.inbox.put(fn) }

// step runs what is in the inbox, serves some connections, and hands out work. It reports whether more can be
// done at once.
func (h *hub) step() bool {
	tasks := h.inbox.take()
	for _, task := range tasks {
		h.guard(nil, task)
	}
	for range min(h.line.len(), passesInARow) {
		c := h.line.pop()
		c.waiting = false
		h.guard(c, func() { h.pass(c) })
	}
	for h.asked < cap(h.questions) && h.askNext.len() > 0 {
		if p := h.askNext.pop(); !p.gone {
			h.asked++
			h.metrics.questions.Inc()
			h.questions <- p.question()
		}
	}
	for h.readOut < cap(h.pages) && h.readNext.len() > 0 {
		c := h.readNext.pop()
		h.guard(c, func() { h.readFor(c) })
	}
	h.tell()
	return h.line.len() > 0 || len(tasks) > 0
}

// took notes what the kernel took of a write.
func (h *hub) took(bytes, blocks int) {
	h.bytesOut += bytes
	h.blocksOut += blocks
}

// tell tells the metrics what was noted: one atomic addition for many writes.
func (h *hub) tell() {
	if h.bytesOut > 0 {
		h.metrics.bytes.Add(float64(h.bytesOut))
		h.metrics.blocks.Add(float64(h.blocksOut))
		h.bytesOut, h.blocksOut = 0, 0
	}
}

// guard runs fn; a panic costs the connection it was about, if any, and nothing else.
func (h *hub) guard(c *connection, fn func()) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("panic in the stream engine", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			if c != nil {
				h.cut(c, endedPanic)
			}
		}
	}()
	fn()
}

// elapse moves the clock by what has passed since the last tick, at most two ticks: while this process did not
// run, no client could show progress, and none is to pay for it.
func (h *hub) elapse(t time.Time) {
	passed := h.wheel.tick
	if !h.ticked.IsZero() {
		passed = min(t.Sub(h.ticked), 2*h.wheel.tick)
	}
	h.ticked, h.now = t, h.now+max(passed, 0)
	h.forgetOld()
	h.wheel.advance(h.now, func(c *connection) { h.guard(c, func() { h.look(c) }) })
	for i := 0; i < len(h.timers); {
		if t := h.timers[i]; h.now >= t.at {
			h.timers = slices.Delete(h.timers, i, i+1)
			h.guard(nil, t.run)
			continue
		}
		i++
	}
}

// after runs fn on the hub's goroutine when d has passed.
func (h *hub) after(d time.Duration, fn func()) { h.timers = append(h.timers, timer{h.now + d, fn}) }

// dispatched takes over a batch of events, in order: each goes into the tail, changes audiences, and marks the
// connections it is for.
func (h *hub) dispatched(events []social.Event, frames []frame) {
	for i := range events {
		e, f := &events[i], &frames[i]
		pos := e.Cursor.Seq
		if h.epoch == 0 {
			h.begin(social.Cursor{Epoch: e.Cursor.Epoch})
		}
		if e.Cursor.Epoch != h.epoch {
			h.reborn(e.Cursor)
		}
		if pos <= h.head {
			continue // given again
		}
		h.before, h.head = h.head, pos
		if !h.heard {
			h.hear(pos)
		}
		if other, ok := controlOf(*e); ok {
			if p := h.index.people[e.Stream.User]; p != nil {
				h.control(p, pos, other)
			}
		}
		h.withdraw(e)
		if len(f.block) > 0 {
			h.tail.push(*f)
			h.mark(&h.tail.frames[len(h.tail.frames)-1])
		}
	}
	h.metrics.tail.Set(float64(h.tail.bytes))
}

// begin says where the log stands when the hub begins: at its start, or as soon as the log is open.
func (h *hub) begin(head social.Cursor) {
	h.epoch, h.head, h.before = head.Epoch, head.Seq, head.Seq
	h.tail.floor = head.Seq
}

// hear begins the tail: everything from this first position on will be in it. What was dispatched to nobody
// before is not, so whoever is connected already asks the log once.
func (h *hub) hear(first social.Position) {
	h.heard = true
	h.tail.floor = first - 1
	for _, p := range h.index.people {
		for c := p.conns; c != nil; c = c.next {
			c.undelivered = c.delivered + 1
			h.serve(c)
		}
	}
}

// reborn begins anew in another epoch: the log was reset. Each connection asks the log from its old position and
// gets its gap.
func (h *hub) reborn(c social.Cursor) {
	h.log.Warn("the epoch of the log has changed", zap.Uint32("from", h.epoch), zap.Uint32("to", c.Epoch))
	h.epoch, h.head, h.before, h.heard = c.Epoch, 0, 0, false
	h.joined.reset() // it knows frames by their positions
	h.tail.clear()
	h.tail = newTail(int(h.cfg.TailBytes), 0, &h.index.authors)
	for _, p := range h.index.people {
		p.held, p.hold = false, 0
		h.control(p, c.Seq, social.ID{})
	}
}

// withdraw notes what an event takes back: frames before it in its stream, or all by and about a person whose
// account has ended or is suspended, are not shown from memory any more. The end of one session takes nothing back.
func (h *hub) withdraw(e *social.Event) {
	switch e.Type {
	case social.EventPostDeleted, social.EventNotificationRemoved:
		h.tail.staleBefore(e.Stream, e.Cursor.Seq)
	case social.EventAccessRevoked:
		var which social.AccessRevokedData
		if json.Unmarshal(e.Data, &which) != nil || which == (social.AccessRevokedData{}) {
			h.tail.stalePerson(e.Stream.User, e.Cursor.Seq)
		}
	}
}

// mark tells the connections of everybody who reads a frame that it waits for them. Work grows with the
// connected readers of its stream.
func (h *hub) mark(f *frame) {
	if p := h.index.people[f.stream.User]; p != nil {
		if e, ok := p.edge(f); ok {
			h.markPerson(p, f, e)
		}
	}
	if f.stream.Kind == social.By {
		for _, r := range h.index.authors.table[f.author].readers {
			h.markPerson(h.index.places[r>>1], f, edgeOf(f.author, r&1 == 1))
		}
	}
}

// markPerson marks the idle connections of a person who reads a frame by an edge.
func (h *hub) markPerson(p *person, f *frame, e edge) {
	if p.conns == nil || !p.loaded || p.held {
		return // no connection of them is idle: each looks at the tail again when the person is let go
	}
	for c := p.conns; c != nil; c = c.next {
		if c.undelivered == 0 && f.pos > c.delivered && c.want&f.kind != 0 && p.allows(f, e, c.mode) {
			c.delivered, c.undelivered = max(c.delivered, h.before), f.pos
			h.serve(c)
		}
	}
}

// limit is how far a person's connections may be judged.
func (h *hub) limit(p *person) social.Position {
	if p.held {
		return p.hold
	}
	return h.head
}

// drain ends every connection. done, if any, is closed when none is left.
func (h *hub) drain(done chan struct{}) {
	h.draining = true
	for _, p := range h.index.people {
		for c := p.conns; c != nil; c = c.next {
			h.end(c, plugins.ByeRestart)
		}
	}
	if done != nil {
		h.empty = append(h.empty, done)
		h.idle()
	}
}

// abort cuts every connection off, now.
func (h *hub) abort() {
	for _, p := range h.index.people {
		for c := p.conns; c != nil; c = c.next {
			c.finished = true
			c.sock.Abort()
		}
	}
}

// idle tells those who wait for the last connection to leave.
func (h *hub) idle() {
	if h.open > 0 {
		return
	}
	for _, done := range h.empty {
		close(done)
	}
	h.empty = nil
}
