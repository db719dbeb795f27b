package e2e_test

import (
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestHistory (P5): what each of many clients was told, by all roads and with cuts at random, is what the store
// says; DELIVERIES= makes it longer.
func TestHistory(t *testing.T) {
	_, rng := luck(t)
	want := number(t, "DELIVERIES", 20_000)
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100"}, 10)
	g := newGate()
	g.set(true)
	s := newStorm(w.URL, w.People, w.Service, g)
	var readers []*reader
	for _, m := range w.People {
		for i, mode := range []string{"all", "all", "all", "notify", "none"} {
			after := first
			if i == 1 {
				after = social.Cursor{} // from now on
			}
			r := newReader(w.URL, m, mode, after, g, rng)
			if i == 2 {
				r.only, r.cut = "stream", 0 // one that stays
			}
			readers = append(readers, r)
			go r.run(t.Context())
		}
	}
	s.all(t.Context(), want/110, rng) // measured: 14 deliveries an act of each of ten
	s.end(t, readers...)
	for _, m := range w.People { // and afterwards the whole by each road alone
		for _, road := range []string{"stream", "poll"} {
			r := newReader(w.URL, m, "all", first, g, rng)
			r.only, r.cut = road, 0
			readers = append(readers, r)
			r.run(t.Context())
		}
	}
	db := openStore(t, w.Data)
	s.check(t, db)
	x := readTruth(t, db)
	var list []*history
	for _, r := range readers {
		list = append(list, &r.history)
	}
	n := x.checkAll(t, list...)
	t.Logf("%d acts answered, %d entries, %d readers, %d deliveries", s.answered.Load(), len(x.rows), len(readers), n)
	if n < want {
		t.Errorf("%d deliveries are too few to say anything, want %d", n, want)
	}
}
