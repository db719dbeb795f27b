package sse

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/audience"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// hub is the engine's loop: one goroutine that owns everything below "state" and never waits for a socket, the
// store or the log.
type hub struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	inbox   inbox
	kept    func() plugins.Kept
	random  func() float64 // [0, 1)
	nearBy  int            // the constant; a test may set it before the hub runs

	questions chan task     // to the asking workers; the hub never has more out than fit
	pages     chan task     // to the catch-up workers, likewise
	batches   chan struct{} // a place for each batch that waits to be taken over

	// The last failure that was not followed by a success, of the store and of the log.
	storeTrouble, logTrouble atomic.Pointer[error]

	// state
	audience *audience.Index[*person]
	tail     *frames.Tail
	joined   frames.Joined // the write being put together
	linger   lingering
	wheel    wheel
	now      time.Duration      // monotonic, by the ticker; wall time plays no part
	ticked   time.Time          // the ticker's last value
	head     social.Position    // every event up to here was judged for the audience
	before   social.Position    // the one before head
	heard    bool               // something was dispatched: the tail is whole from there on
	line     queue[*connection] // to be served, in order
	askNext  queue[*person]     // to be asked about, in order
	asked    int                // questions under way
	// ended are the accounts that ended since there was none under way, and where.
	ended    map[social.ID]social.Position
	readNext queue[*connection] // to be read for, in order
	readOut  int                // pages under way
	spare    []*page            // pages to be used again
	open     int
	draining bool
	empty    []chan struct{} // closed when the last connection has left
}

func newHub(cfg Config, env plugins.Env, random func() float64) *hub {
	return &hub{
		cfg: cfg, log: env.Log, metrics: newMetrics(), kept: env.History.Kept, random: random, nearBy: nearBy,
		audience:  audience.New[*person](),
		tail:      frames.NewTail(int(cfg.TailBytes), 0),
		wheel:     wheel{tick: tickOf(cfg)},
		questions: make(chan task, cfg.AudienceWorkers),
		pages:     make(chan task, cfg.CatchUpWorkers),
		batches:   make(chan struct{}, maxBatches),
		inbox:     inbox{wake: make(chan struct{}, 1)},
	}
}

func tickOf(cfg Config) time.Duration {
	shortest := min(cfg.Heartbeat, cfg.ProgressTimeout/checks, cfg.PeerTimeout, cfg.FinishTimeout)
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

// step runs what is in the inbox, serves some connections, and starts work. It reports whether more can be
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
	h.metrics.flush()
	return h.line.len() > 0 || len(tasks) > 0
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
	h.forgetSome()
	h.wheel.advance(h.now, func(c *connection) { h.guard(c, func() { h.look(c) }) })
}

// dispatched takes over a batch of events, in order: each goes into the tail, changes audiences, and marks the
// connections it is for. made are their frames.
func (h *hub) dispatched(events []social.Event, made []frames.Frame) {
	for i := range events {
		e, f := &events[i], &made[i]
		pos := e.Cursor.Seq
		if pos <= h.head {
			continue // given again
		}
		h.before, h.head = h.head, pos
		if !h.heard {
			h.hear(pos)
		}
		if other, ok := controlOf(*e); ok {
			if p := h.audience.Find(e.Stream.User); p != nil {
				h.control(p, pos, other)
			}
		}
		if e.Type == social.EventUserDeleted {
			h.endedAccount(e.Stream.User, pos)
		}
		h.tail.Withdraw(e)
		if !f.Empty() {
			h.tail.Push(*f)
			h.mark(f)
		}
	}
	h.metrics.tail.Set(float64(h.tail.Bytes()))
}

// begin says where the log stands when the hub begins.
func (h *hub) begin(head social.Position) {
	h.head, h.before = head, head
	h.tail = frames.NewTail(int(h.cfg.TailBytes), head)
}

// hear begins the tail: everything from this first position on will be in it. What was dispatched to nobody
// before is not, so whoever is connected already asks the log once.
func (h *hub) hear(first social.Position) {
	h.heard = true
	h.tail = frames.NewTail(int(h.cfg.TailBytes), first-1)
	for p := range h.audience.All() {
		for c := p.conns; c != nil; c = c.next {
			c.undelivered = c.delivered + 1
			h.serve(c)
		}
	}
}

// mark tells the idle connections of everybody who reads a frame that it waits for them.
func (h *hub) mark(f *frames.Frame) {
	for p, e := range h.audience.Readers(f.Stream) {
		if !p.loaded || p.held {
			continue // none of their connections is idle: each looks at the tail again when the person is let go
		}
		for c := p.conns; c != nil; c = c.next {
			if c.undelivered == 0 && f.Pos > c.delivered && c.want&f.Kind != 0 &&
				h.audience.Allows(p, e, c.mode, f.Pos, f.About) {
				c.delivered, c.undelivered = max(c.delivered, h.before), f.Pos
				h.serve(c)
			}
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
	for p := range h.audience.All() {
		for c := p.conns; c != nil; c = c.next {
			h.end(c, plugins.ByeRestart)
		}
	}
	if done != nil {
		h.empty = append(h.empty, done)
		h.idle()
	}
}

func (h *hub) abort() {
	for p := range h.audience.All() {
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
