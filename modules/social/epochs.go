package social

import "sort"

// Epoch is a row of the table of epochs: a run of the server has the random number Number, which no other has, and gave
// the positions above After, until the next row begins.
type Epoch struct {
	Number uint32 // never 0
	After  Position
}

// Epochs is the table of epochs, oldest row first, After never falling. A row whose After is that of the row behind it
// gave no position. It is never changed, only replaced.
type Epochs []Epoch

// MaxEndedEpochs is how many rows are kept that gave nothing above the floor. An event id of one is answered with a gap
// "expired", an older one with "epoch".
const MaxEndedEpochs = 1000

// Of gives the row that a position belongs to: the last one that begins below it. What no row begins below belongs to
// the first row, so position 0 and the floor do. The zero Epoch for an empty table.
func (t Epochs) Of(p Position) Epoch {
	if len(t) == 0 {
		return Epoch{}
	}
	begun := sort.Search(len(t), func(i int) bool { return t[i].After >= p })
	return t[max(begun-1, 0)]
}

// With gives the table with a row that begins at the end; the same table if the row is in it, or is zero.
func (t Epochs) With(e Epoch) Epochs {
	if last := len(t) - 1; e.Number == 0 || last >= 0 && (t[last].Number == e.Number || t[last].After > e.After) {
		return t
	}
	return append(t[:len(t):len(t)], e)
}

// Above gives the table for a log with that floor: without the oldest of the rows that ended below it, if those are
// more than MaxEndedEpochs.
func (t Epochs) Above(floor Position) Epochs {
	begun := sort.Search(len(t), func(i int) bool { return t[i].After > floor })
	return t[max(begun-1-MaxEndedEpochs, 0):]
}

// Kept is what a log holds at one moment: the positions above Floor up to Head. The zero Kept is of a log that is not
// open.
type Kept struct {
	Floor, Head Position
	Epochs      Epochs
}

// Cursor makes the id of a position; zero when there is no table.
func (k Kept) Cursor(p Position) Cursor { return Cursor{Epoch: k.Epochs.Of(p).Number, Seq: p} }

// Newest is the cursor at Head, Oldest the one at Floor: reading after it gives everything kept.
func (k Kept) Newest() Cursor { return k.Cursor(k.Head) }
func (k Kept) Oldest() Cursor { return k.Cursor(k.Floor) }

// IsZero reports a log that is not open.
func (k Kept) IsZero() bool { return len(k.Epochs) == 0 }

// GapOf judges a cursor. nil = reading may go on from it: it was given by a run of this very history, nothing behind it
// is lost, and nothing behind it is trimmed.
func (k Kept) GapOf(c Cursor) *GapError {
	g := &GapError{From: c, To: k.Newest()}
	switch {
	case c.Epoch != k.Epochs.Of(c.Seq).Number:
		g.Reason = GapEpoch
	case c.Seq > k.Head:
		g.Reason = GapFuture
	case c.Seq < k.Floor:
		g.Reason, g.To = GapExpired, k.Oldest()
	default:
		return nil
	}
	return g
}
