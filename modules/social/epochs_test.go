package social_test

import (
	"fmt"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// The first run gave 3 to 7, the second nothing, the third 8 to 20; the floor is 5.
var kept = social.Kept{Floor: 5, Head: 20, Epochs: social.Epochs{{Number: 9, After: 2}, {Number: 4, After: 7},
	{Number: 6, After: 7}}}

func TestEveryPositionHasOneEpoch(t *testing.T) {
	for p, want := range map[social.Position]uint32{0: 9, 2: 9, 3: 9, 7: 9, 8: 6, 20: 6, 21: 6, 1 << 63: 6} {
		if got := kept.Cursor(p); got != (social.Cursor{Epoch: want, Seq: p}) {
			t.Errorf("position %d is %s, want epoch %d", p, got, want)
		}
	}
	if c := (social.Kept{Head: 5}).Cursor(5); !c.IsZero() {
		t.Errorf("without a table position 5 is %s", c)
	}
}

func TestGapOf(t *testing.T) {
	at := func(epoch uint32, seq social.Position) social.Cursor { return social.Cursor{Epoch: epoch, Seq: seq} }
	for _, tt := range []struct {
		from   social.Cursor
		reason social.GapReason
		to     social.Cursor
	}{
		{at(9, 5), "", at(0, 0)},
		{at(9, 7), "", at(0, 0)},
		{at(6, 8), "", at(0, 0)},
		{at(6, 20), "", at(0, 0)},
		{at(9, 4), social.GapExpired, at(9, 5)},
		{at(9, 0), social.GapExpired, at(9, 5)},
		{at(9, 8), social.GapEpoch, at(6, 20)},
		{at(6, 7), social.GapEpoch, at(6, 20)},
		{at(4, 7), social.GapEpoch, at(6, 20)},
		{at(4, 8), social.GapEpoch, at(6, 20)},
		{at(5, 10), social.GapEpoch, at(6, 20)},
		{at(9, 21), social.GapEpoch, at(6, 20)},
		{at(6, 21), social.GapFuture, at(6, 20)},
		{at(0, 0), social.GapEpoch, at(6, 20)},
	} {
		gap := kept.GapOf(tt.from)
		if tt.reason == "" && gap != nil || tt.reason != "" &&
			(gap == nil || *gap != social.GapError{From: tt.from, To: tt.to, Reason: tt.reason}) {
			t.Errorf("%s: %v, want %q to %s", tt.from, gap, tt.reason, tt.to)
		}
	}
}

func TestTableOfEpochs(t *testing.T) {
	table := social.Epochs{{Number: 9, After: 2}}
	before := table
	for _, e := range []social.Epoch{{}, {Number: 9, After: 2}, {Number: 4, After: 7}, {Number: 9, After: 2},
		{Number: 4, After: 7}, {Number: 6, After: 7}} {
		table = table.With(e)
	}
	if got := fmt.Sprint(before, table); got != "[{9 2}] [{9 2} {4 7} {6 7}]" {
		t.Errorf("got %s", got)
	}
	var long social.Epochs
	for n := range social.Position(social.MaxEndedEpochs + 3) {
		long = append(long, social.Epoch{Number: uint32(n) + 1, After: 10 * n})
	}
	last := long[len(long)-1].After
	for floor, first := range map[social.Position]uint32{0: 1, last - 10: 2, last - 1: 2, last: 3, last + 5: 3} {
		if got := long.Above(floor)[0].Number; got != first {
			t.Errorf("above %d the first row is %d, want %d", floor, got, first)
		}
	}
}
