package client

import (
	"fmt"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// incoming is an event as a reader gets it.
type incoming struct {
	seq    social.Position
	number int
	to     int
}

// TestLedgerCatches hands a ledger what wrong servers would send: each is found, and counted as what it is.
func TestLedgerCatches(t *testing.T) {
	right := []incoming{{10, 0, Everybody}, {12, 1, Everybody}, {13, 2, Everybody}, {20, 3, Everybody}}
	for name, tt := range map[string]struct {
		server func([]incoming) []incoming
		want   Checked
	}{
		"right": {func(h []incoming) []incoming { return h }, Checked{Deliveries: 4}},
		"lost": {func(h []incoming) []incoming { return slices.Delete(h, 1, 2) },
			Checked{Deliveries: 3, Lost: 1}},
		"the last one lost": {func(h []incoming) []incoming { return h[:3] }, Checked{Deliveries: 3, Lost: 1}},
		// By its id and by its number.
		"doubled": {func(h []incoming) []incoming { return slices.Insert(h, 1, h[0]) },
			Checked{Deliveries: 5, Doubled: 2}},
		"doubled with an id": {func(h []incoming) []incoming { return append(h, incoming{21, 3, Everybody}) },
			Checked{Deliveries: 5, Doubled: 1}},
		"doubled, one lost": {func(h []incoming) []incoming { h[2] = incoming{14, 1, Everybody}; return h },
			Checked{Deliveries: 4, Doubled: 1, Lost: 1}},
		// Ids and numbers.
		"swapped": {func(h []incoming) []incoming { h[1], h[2] = h[2], h[1]; return h },
			Checked{Deliveries: 4, Disordered: 2}},
		"swapped, ids rising": {func(h []incoming) []incoming { h[1].number, h[2].number = 2, 1; return h },
			Checked{Deliveries: 4, Disordered: 1}},
		"somebody else's": {func(h []incoming) []incoming { h[1].to = 1; return h },
			Checked{Deliveries: 3, Lost: 1, Stray: 1}},
		"never published": {func(h []incoming) []incoming { return append(h, incoming{21, 77, Everybody}) },
			Checked{Deliveries: 4, Stray: 1}},
		"without a mark": {func(h []incoming) []incoming { return append(h, incoming{21, -1, Everybody}) },
			Checked{Deliveries: 4, Stray: 1}},
		"without an id": {func(h []incoming) []incoming { return append(h, incoming{0, 3, Everybody}) },
			Checked{Deliveries: 4, Stray: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLedger(1, 4, 4)
			for _, h := range right {
				l.Begin(h.number, Everybody)
			}
			for _, h := range tt.server(slices.Clone(right)) {
				hear(l, h)
			}
			c := l.Verify(l.Expected(func(int) bool { return true }), true)
			if (len(c.Examples) > 0) != c.Faulty() {
				t.Errorf("examples %q", c.Examples)
			}
			c.Examples = nil
			if fmt.Sprint(c) != fmt.Sprint(tt.want) {
				t.Errorf("counted %+v, want %+v", c, tt.want)
			}
		})
	}
}

func hear(l *Ledger, h incoming) {
	at, data := social.Cursor{Epoch: 1, Seq: h.seq}, []byte(`{"text":"`+string(AppendText(nil, h.number, h.to, 0))+`"}`)
	if h.seq == 0 {
		at = social.Cursor{}
	}
	if h.number < 0 {
		data = []byte(`{}`)
	}
	l.arrived(0, at, data, l.Now())
}

// What is for one reader is missed by that one, and bystanders have to hear nothing.
func TestLedgerKnowsWhose(t *testing.T) {
	l := NewLedger(3, 3, 0)
	l.Begin(0, Everybody)
	l.Begin(1, 2)
	l.Begin(2, 0)
	hear(l, incoming{5, 0, Everybody})
	hear(l, incoming{6, 2, 0})
	c := l.Verify(l.Expected(func(r int) bool { return r == 0 }), true)
	if c.Lost != 1 || c.Doubled+c.Disordered+c.Stray != 0 || c.Examples[0] != "reader 2: message 1 is lost" {
		t.Errorf("%+v", c)
	}
}

// A server that begins anew counts its ids anew.
func TestLedgerEpochs(t *testing.T) {
	l := NewLedger(1, 2, 0)
	l.Begin(0, Everybody)
	l.Begin(1, Everybody)
	hear(l, incoming{900, 0, Everybody})
	l.arrived(0, social.Cursor{Epoch: 2, Seq: 1}, AppendText(nil, 1, Everybody, 0), 0)
	if c := l.Verify(l.Expected(func(int) bool { return true }), true); c.Faulty() {
		t.Errorf("%+v", c)
	}
}

// What an event carries is remembered by its position; another one in the same place of that memory is read anew.
func TestLedgerReadsEachPosition(t *testing.T) {
	l := NewLedger(1, 2, 0)
	l.Begin(0, Everybody)
	l.Begin(1, Everybody)
	hear(l, incoming{7, 0, Everybody})
	hear(l, incoming{7 + social.Position(len(l.known)), 1, Everybody})
	if c := l.Verify(l.Expected(func(int) bool { return true }), true); c.Faulty() {
		t.Errorf("%+v", c)
	}
}
