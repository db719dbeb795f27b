package bolt

import (
	"bytes"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// round moves places from memory into the buckets of their streams, a part at a time between appends, in the order of
// the buckets, so that each part changes neighbouring pages. Its mark (state.indexed) moves when all are through;
// a crash before that repeats it, and places that are in their bucket already are left out. Who has the turn uses it.
type round struct {
	through social.Position // all up to here is being moved
	streams []social.Stream // still to be moved
	places  map[social.Stream][]place
	owed    int // places to be moved before the next part of the work is done
}

func (r *round) on() bool { return r.places != nil }

// moveStep is how many places one part moves at least: fewer cost a sync each, more keep appends waiting.
const moveStep = 1024

// pace is how many places are moved for each that is appended: a round ends while memory is half full again.
const pace = 2

func (l *Log) moveStep() int { return max(1, min(moveStep, l.cfg.Round/8)) }

// advance begins a round when memory is full, and does the part of it that n more records ask for. An error is kept
// for those who append when memory has no room any more (hold).
func (l *Log) advance(n int) {
	r := &l.round
	if r.on() {
		r.owed += pace * n
	} else if l.recent.Load().full(l.cfg.Round) {
		l.beginRound()
	}
	if r.on() && r.owed >= l.moveStep() {
		_ = l.moveSome(l.write, r.owed)
	}
}

func (l *Log) beginRound() {
	places := l.recent.Load().begin()
	streams := make([]social.Stream, 0, len(places))
	for s := range places {
		streams = append(streams, s)
	}
	slices.SortFunc(streams, func(a, b social.Stream) int {
		x, y := a.Bytes(), b.Bytes()
		return bytes.Compare(x[:], y[:])
	})
	l.round = round{through: l.now.Load().head, streams: streams, places: places}
}

// hold ends the round at work when memory is full again, which is so only after parts of it have failed.
func (l *Log) hold() error {
	for l.round.on() && l.recent.Load().full(l.cfg.Round) {
		if err := l.moveSome(l.write, l.moveStep()); err != nil {
			return err
		}
	}
	return nil
}

// settle moves all there is, if it can: what stays behind is in the journal. The log
// is closed for everybody else.
func (l *Log) settle() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for l.failed.Load() == nil && (l.round.on() || l.recent.Load().full(1)) {
		if !l.round.on() {
			l.beginRound()
		}
		if l.moveSome(l.writeHeld, 8*moveStep) != nil {
			return
		}
	}
}

// moveSome moves whole streams with at least so many places, or what is left, in one transaction.
func (l *Log) moveSome(write func(func(*writer) error) error, places int) error {
	r := &l.round
	done, moved := 0, 0
	err := write(func(w *writer) error {
		if err := l.failpoint(BeforeMove); err != nil {
			return l.outcome(err)
		}
		for done, moved = 0, 0; done < len(r.streams) && moved < places; done++ {
			s := r.streams[done]
			if err := w.move(s, r.places[s]); err != nil {
				return err
			}
			moved += len(r.places[s])
		}
		if done == len(r.streams) {
			w.indexed = r.through
		}
		w.dirty = true
		return nil
	})
	if err != nil {
		return err
	}
	r.streams, r.owed = r.streams[done:], r.owed-moved
	if len(r.streams) == 0 {
		l.recent.Load().finish(r.through)
		l.round = round{}
	}
	return nil
}

// move writes places into the bucket of their stream. What is in there already, from a round that a crash cut off, and
// what has been trimmed is left out.
func (w *writer) move(stream social.Stream, places []place) error {
	places = above(places, w.floor+1)
	name := stream.Bytes()
	b := w.streams().Bucket(name[:])
	var olderKey social.Position
	var older []byte
	if b != nil {
		b.FillPercent = 1.0
		if k, v := b.Cursor().Last(); k != nil {
			olderKey = positionOf(k)
			if places = above(places, olderKey+1); len(places) > 0 && len(v) < blockJoin {
				older = bytes.Clone(v)
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
	}
	for part := range slices.Chunk(places, blockPlaces) {
		if b == nil {
			var err error
			if b, err = w.streams().CreateBucket(name[:]); err != nil {
				return err
			}
			b.FillPercent = 1.0
		}
		value := w.scratch.block(part, olderKey, older)
		older = nil
		if err := b.Put(keyOf(part[len(part)-1].position()), value); err != nil {
			return err
		}
	}
	return nil
}
