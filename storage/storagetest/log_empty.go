package storagetest

import (
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var emptyRules = map[string]logRule{
	"redact/place": {"a redacted event loses its payload, keeps its place, and is passed over", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1), person(3)), event(2, by(2)), event(3, to(1)))
		k.append(redact(4, 1, 2), event(5, to(1)))
		for range 2 {
			k.wantPositions("Read", k.read(reads(to(1), by(2)), 0, 1), 3, 5)
			k.wantPositions("Tail", k.tail(0, 5), 3, 5)
			e, ok, err := k.log.At(k.Context(), 1)
			if err != nil || !ok || e.Data != nil || e.Stream != to(1) {
				k.Fatalf("At of a redacted event gave %+v, %v, %v; want no data, and true", e, ok, err)
			}
			if e, ok, err := k.log.At(k.Context(), 3); err != nil || !ok || e.Data == nil {
				k.Fatalf("At of its neighbour gave %+v, %v, %v", e, ok, err)
			}
			k.reopen()
		}
	}},
	"redact/in-one-call": {"a redaction reaches what is before it in the same call, no more", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)), redact(2, 1), event(3, to(1)))
		k.wantPositions("Read", k.read(reads(to(1)), 0, 10), 3)
	}},
	"redact/absent": {"a redaction of what is not there, or was emptied before, changes nothing", func(k *logKit) {
		k.begin()
		k.append(events(1, 10, to(1))...)
		if _, err := k.log.Trim(k.Context(), 3, 10); err != nil {
			k.Fatalf("Trim: %v", err)
		}
		k.append(redact(20, 1, 2, 3, 5, 15, 999))
		k.append(redact(21, 5), redact(22))
		k.wantHead(22)
		k.wantPositions("Read", k.read(reads(to(1)), 3, 10), 4, 6, 7, 8, 9, 10)
	}},
	"redact/before-arrival": {"an entry that comes without data keeps its place and is passed over", func(k *logKit) {
		k.begin()
		gone := event(2, to(1), person(3))
		gone.Data = nil
		k.append(event(1, to(1)), gone, event(3, to(1)))
		k.wantPositions("Read", k.read(reads(to(1)), 0, 10), 1, 3)
		k.wantPositions("Tail", k.tail(0, 3), 1, 3)
		if e, ok, err := k.log.At(k.Context(), 2); err != nil || !ok || e.Data != nil {
			k.Fatalf("At gave %+v, %v, %v; want no data, and true", e, ok, err)
		}
	}},
	"erase/at-once": {"an erase entry hides the person's streams, acts and abouts, nobody else's", func(k *logKit) {
		k.begin()
		k.append(event(1, to(7)), event(2, by(7), person(7)), event(3, to(1), person(7)),
			event(4, by(2), person(2), person(7)),
			event(5, by(2), person(2)), internal(6, to(7)), event(7, to(1)))
		k.append(erase(8, person(7)))
		for range 2 {
			k.wantPositions("Read", k.read(reads(to(1), by(2), to(7), by(7)), 0, 10), 5, 7)
			k.wantPositions("Tail", k.tail(0, 7), 5, 7)
			for _, p := range []social.Position{1, 2, 3, 4} {
				if e, ok, err := k.log.At(k.Context(), p); err != nil || !ok || e.Data != nil {
					k.Fatalf("At(%d) gave %+v, %v, %v; want no data, and true", p, e, ok, err)
				}
			}
			k.reopen()
		}
	}},
	"erase/later": {"an entry behind the erase entry is shown: it tells others of the end", func(k *logKit) {
		k.begin()
		k.append(event(1, to(7)), erase(2, person(7)), internal(3, to(7)), event(4, to(1), person(7)))
		k.append(event(5, by(7)))
		sweepAll(k)
		k.wantPositions("Read", k.read(reads(to(1), by(7), to(7)), 0, 10), 4, 5)
		k.wantPositions("Tail", k.tail(0, 5), 3, 4, 5)
	}},
	"erase/sweep": {"Sweep empties erased people's records in steps, says how many, ends with 0", func(k *logKit) {
		k.begin()
		k.append(events(1, 30, to(7))...)
		k.append(event(31, to(1), person(7)), event(32, to(1)), event(33, to(8), person(8)), redact(34, 5))
		if n := sweepAll(k); n != 0 {
			k.Fatalf("Sweep emptied %d records while nobody was erased", n)
		}
		k.append(erase(35, person(7)))
		n, err := k.log.Sweep(k.Context(), 7)
		if err != nil || n < 1 || n > 7 {
			k.Fatalf("Sweep(7) gave %d, %v", n, err)
		}
		k.reopen()
		n += sweepAll(k)
		if n != 30 { // 1..30 without 5, and 31
			k.Fatalf("Sweep emptied %d records in all, want 30", n)
		}
		k.append(event(36, to(1), person(8)), erase(37, person(8)))
		if n := sweepAll(k); n != 2 {
			k.Fatalf("Sweep after a second erase emptied %d records, want 2", n)
		}
		k.wantPositions("Read", k.read(reads(to(1), to(7), to(8)), 0, 10), 32)
		if err := k.log.Check(k.Context()); err != nil {
			k.Fatalf("Check: %v", err)
		}
	}},
	"erase/emptied": {"what Sweep emptied stays empty even if the mark of the erase were lost", func(k *logKit) {
		k.begin()
		k.append(event(1, to(7)), event(2, to(1), person(7)), event(3, to(1)), erase(4, person(7)))
		sweepAll(k)
		k.reopen()
		for _, p := range []social.Position{1, 2} {
			if e, ok, err := k.log.At(k.Context(), p); err != nil || !ok || e.Data != nil || len(e.About) != 0 {
				k.Fatalf("At(%d) gave %+v, %v, %v; want neither data nor people", p, e, ok, err)
			}
		}
	}},
}

// sweepAll sweeps to the end and tells how many were emptied.
func sweepAll(k *logKit) int {
	k.Helper()
	for total := 0; ; {
		n, err := k.log.Sweep(k.Context(), 4)
		if err != nil || n < 0 || n > 4 {
			k.Fatalf("Sweep(4) gave %d, %v", n, err)
		}
		if n == 0 {
			return total
		}
		if total += n; total > 1<<16 {
			k.Fatalf("Sweep does not come to an end")
		}
	}
}

var trimRules = map[string]logRule{
	"trim/edge": {"Trim drops what stands at or below, raises the floor to there, and not one further", func(k *logKit) {
		k.begin()
		k.append(events(1, 20, to(1))...)
		for before := social.Position(1); before <= 19; before++ {
			n, err := k.log.Trim(k.Context(), before, 100)
			if err != nil || n != 1 {
				k.Fatalf("Trim(%d) gave %d, %v; want 1", before, n, err)
			}
			k.wantFloor(before)
			k.wantPositions("Read at the floor", k.read(reads(to(1)), before, 100), span(before+1, 20)...)
			k.wantPositions("Tail at the floor", k.tail(before, 20), span(before+1, 20)...)
			below := k.cursor(before - 1)
			_, err = k.log.Read(k.Context(), reads(to(1)), below, 100)
			k.wantGap("Read below the floor", err, social.GapExpired, below, k.cursor(before))
			if _, ok, err := k.log.At(k.Context(), before); ok || err != nil {
				k.Fatalf("At(%d) found what was trimmed (%v)", before, err)
			}
			if _, ok, err := k.log.At(k.Context(), before+1); !ok || err != nil {
				k.Fatalf("At(%d) does not find what was kept (%v)", before+1, err)
			}
		}
		k.reopen()
		k.wantFloor(19)
		k.wantPositions("Read", k.read(reads(to(1)), 19, 100), 20)
	}},
	"trim/limit": {"Trim drops at most limit records and raises the floor to the last it dropped", func(k *logKit) {
		k.begin()
		k.append(event(10, to(1)), event(20, to(2)), event(30, to(1)), event(40, to(1)))
		for _, tt := range []struct {
			before social.Position
			limit  int
			n      int
			floor  social.Position
		}{{35, 0, 0, 0}, {35, 1, 1, 10}, {15, 5, 0, 15}, {35, 1, 1, 20}, {35, 5, 1, 35}, {35, 5, 0, 35}, {7, 5, 0, 35}} {
			n, err := k.log.Trim(k.Context(), tt.before, tt.limit)
			if err != nil || n != tt.n {
				k.Fatalf("Trim(%d, %d) gave %d, %v; want %d", tt.before, tt.limit, n, err, tt.n)
			}
			k.wantFloor(tt.floor)
		}
		k.wantPositions("Read", k.read(reads(to(1), to(2)), 35, 10), 40)
	}},
	"trim/head": {"Trim never goes above the head, and positions go on behind it (I4)", func(k *logKit) {
		k.begin()
		k.append(events(1, 5, to(1))...)
		if n, err := k.log.Trim(k.Context(), 1<<40, 100); err != nil || n != 5 {
			k.Fatalf("Trim of everything gave %d, %v; want 5", n, err)
		}
		k.wantFloor(5)
		k.wantHead(5)
		k.reopen()
		k.wantHead(5)
		k.append(event(5, to(1)), event(6, to(1)))
		k.wantPositions("Read", k.read(reads(to(1)), 5, 10), 6)
	}},
	"trim/room": {"what was trimmed takes no room, so a log that is trimmed does not grow (W10)", func(k *logKit) {
		k.begin()
		var p social.Position
		round := func() int64 {
			for range 4 {
				k.append(events(p+1, p+500, to(byte(p/500%5)))...)
				p += 500
			}
			for range 2000 {
				n, err := k.log.Trim(k.Context(), p, 200)
				if err != nil {
					k.Fatalf("Trim: %v", err)
				}
				if n == 0 {
					return k.log.Size()
				}
			}
			k.Fatalf("Trim does not come to an end")
			return 0
		}
		round()
		first := round()
		for range 8 {
			if size := round(); size > 2*first {
				k.Fatalf("a log trimmed empty each time grew from %d to %d bytes", first, size)
			}
		}
	}},
	"trim/erased": {"a trim beyond an erase leaves nothing to sweep", func(k *logKit) {
		k.begin()
		k.append(event(1, to(7)), event(2, to(1)), erase(3, person(7)), event(4, to(1)), event(5, to(7)))
		if _, err := k.log.Trim(k.Context(), 3, 10); err != nil {
			k.Fatalf("Trim: %v", err)
		}
		for range 2 {
			if n := sweepAll(k); n != 0 {
				k.Fatalf("Sweep emptied %d records", n)
			}
			k.wantPositions("Read", k.read(reads(to(1), to(7)), 3, 10), 4, 5)
			k.reopen()
		}
	}},
	"reset/empty": {"Reset begins anew, empty, in the epoch and behind the floor given", func(k *logKit) {
		k.begin()
		k.append(events(1, 50, to(1))...)
		k.append(erase(51, person(2)), event(52, to(2)))
		k.reset(30, 9)
		for range 2 {
			if head, oldest := k.log.Head(), k.log.Kept().Oldest(); head != (social.Cursor{Epoch: 9, Seq: 30}) || oldest != head {
				k.Fatalf("after Reset(9, 30) head is %s and oldest %s", head, oldest)
			}
			k.wantPositions("Read", k.read(reads(to(1), to(2)), 30, 10))
			k.reopen()
		}
		old := social.Cursor{Epoch: 1, Seq: 40}
		_, err := k.log.Read(k.Context(), reads(to(1)), old, 10)
		k.wantGap("Read after a cursor of before", err, social.GapEpoch, old, k.cursor(30))
		k.append(event(29, to(1)), event(30, to(1)), event(31, to(1)), event(40, to(2)))
		k.wantPositions("Read", k.read(reads(to(1), to(2)), 30, 10), 31, 40)
		if _, ok, _ := k.log.At(k.Context(), 50); ok {
			k.Fatalf("a record of before is still there")
		}
		if err := k.log.Check(k.Context()); err != nil {
			k.Fatalf("Check: %v", err)
		}
	}},
	"reset/rebuild": {"a log built again from the same entries gives the same events and ids (I2)", func(k *logKit) {
		k.begin()
		list := []storage.Entry{event(3, to(1)), event(4, by(2), person(2)), redact(6, 3), event(9, to(1)),
			erase(12, person(2)), event(15, by(1))}
		k.append(list...)
		before := k.tail(0, 15)
		k.reset(0, 1)
		k.append(list[:3]...)
		k.append(list[3:]...)
		after := k.tail(0, 15)
		k.wantPositions("Tail", after, positions(before)...)
		for i := range before {
			if before[i].Cursor != after[i].Cursor || string(before[i].AppendJSON(nil)) != string(after[i].AppendJSON(nil)) {
				k.Fatalf("%s was %+v and is %+v", before[i].Cursor, before[i], after[i])
			}
		}
	}},
}
