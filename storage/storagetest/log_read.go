package storagetest

import (
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var readRules = map[string]logRule{
	"read/merge": {"several streams are read as one, in the order of positions (W8)", func(k *logKit) {
		k.begin()
		var list []storage.Entry
		for p := range social.Position(300) {
			list = append(list, event(p+1, []social.Stream{to(1), by(1), by(2), to(2), by(3)}[(p*p+p/7)%5]))
		}
		k.append(list...)
		a := reads(to(1), by(2), by(3), by(200))
		for after := range social.Position(301) {
			var want []social.Position
			for _, e := range list[after:] {
				if e.Stream == to(1) || e.Stream == by(2) || e.Stream == by(3) {
					want = append(want, e.Position)
				}
			}
			for _, limit := range []int{1, 7, 1000} {
				if after%50 == 0 || limit == 1000 {
					k.wantPositions("Read", k.read(a, after, limit), want...)
				}
			}
		}
		k.wantPositions("Read without sources", k.read(social.Audience{}, 0, 10))
	}},
	"read/through": {"Through is the head when there is no more, also for a reader of whom nothing is", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)), event(2, to(2)), event(3, to(1)), event(4, to(2)))
		page, err := k.log.Read(k.Context(), reads(to(1)), k.cursor(0), 2)
		if err != nil || page.More || page.Through != k.cursor(4) {
			k.Fatalf("Read gave Through %s, More %v, %v; want 1-4 and no more", page.Through, page.More, err)
		}
		page, err = k.log.Read(k.Context(), reads(to(9)), k.cursor(2), 2)
		if err != nil || page.More || page.Through != k.cursor(4) || len(page.Events) != 0 {
			k.Fatalf("Read of nothing gave %+v, %v; want Through 1-4", page, err)
		}
		page, err = k.log.Read(k.Context(), reads(to(1)), k.cursor(0), 1)
		if err != nil || !page.More || page.Through.Seq < 1 || page.Through.Seq >= 3 {
			k.Fatalf("Read of one of two gave Through %s, More %v, %v; want 1-1 or 1-2, and more", page.Through, page.More, err)
		}
	}},
	"read/gaps": {"exactly these are gaps: below the floor, of another epoch, above the head (I7)", func(k *logKit) {
		k.reset(10, 5)
		k.append(events(11, 40, to(1))...)
		if n, err := k.log.Trim(k.Context(), 20, 100); err != nil || n != 10 {
			k.Fatalf("Trim gave %d, %v", n, err)
		}
		at := func(epoch uint32, seq social.Position) social.Cursor { return social.Cursor{Epoch: epoch, Seq: seq} }
		for _, tt := range []struct {
			after  social.Cursor
			reason social.GapReason
			to     social.Cursor
		}{
			{at(5, 19), social.GapExpired, at(5, 20)},
			{at(5, 0), social.GapExpired, at(5, 20)},
			{at(5, 41), social.GapFuture, at(5, 40)},
			{at(5, 1<<63), social.GapFuture, at(5, 40)},
			{at(4, 30), social.GapEpoch, at(5, 40)},
			{at(6, 0), social.GapEpoch, at(5, 40)},
			{at(1<<32-1, 99), social.GapEpoch, at(5, 40)},
		} {
			for _, a := range []social.Audience{reads(to(1)), reads(to(2)), {}} {
				page, err := k.log.Read(k.Context(), a, tt.after, 10)
				k.wantGap("Read after "+tt.after.String(), err, tt.reason, tt.after, tt.to)
				if len(page.Events) != 0 || page.More || page.Through != (social.Cursor{}) {
					k.Fatalf("Read after %s gave a gap and a page %+v", tt.after, page)
				}
			}
			for list, err := range k.log.Tail(k.Context(), tt.after) {
				if len(list) > 0 {
					k.Fatalf("Tail after %s gave events before its gap", tt.after)
				}
				k.wantGap("Tail after "+tt.after.String(), err, tt.reason, tt.after, tt.to)
				break
			}
		}
		k.wantPositions("Read at the floor", k.read(reads(to(1)), 20, 100), span(21, 40)...)
		k.wantPositions("Read above the floor", k.read(reads(to(1)), 21, 100), span(22, 40)...)
		k.wantPositions("Read at the head", k.read(reads(to(1)), 40, 100))
		if got := k.log.Kept().Oldest(); got != at(5, 20) {
			k.Fatalf("Oldest is %s, want 5-20", got)
		}
	}},
	"read/since": {"a source shows what is above its Since, and nothing at or below (I28)", func(k *logKit) {
		k.begin()
		for p := social.Position(1); p <= 60; p++ {
			k.append(event(p, by(byte(1+p%3))))
		}
		for since := range social.Position(62) {
			a := reads(by(1), by(2))
			a.Sources[0].Since = since
			var want []social.Position
			for p := social.Position(1); p <= 60; p++ {
				if p%3 == 1 || (p%3 == 0 && p > since) {
					want = append(want, p)
				}
			}
			k.wantPositions("Read", k.read(a, 0, 9), want...)
		}
	}},
	"read/hidden": {"an event that names somebody hidden is passed over, and only that", func(k *logKit) {
		k.begin()
		k.append(event(1, by(1), person(1)), event(2, by(1), person(1), person(5)), event(3, by(1)),
			event(4, by(2), person(2), person(3), person(4), person(5)), event(5, by(2), person(2)))
		a := reads(by(1), by(2))
		a.Hidden = map[social.ID]struct{}{person(5): {}, person(6): {}}
		k.wantPositions("Read", k.read(a, 0, 1), 1, 3, 5)
		a.Hidden = map[social.ID]struct{}{person(2): {}}
		k.wantPositions("Read", k.read(a, 0, 10), 1, 2, 3)
		a.Hidden = nil
		k.wantPositions("Read", k.read(a, 0, 10), 1, 2, 3, 4, 5)
	}},
	"read/internal": {"no reader is shown an internal entry; Tail flags it", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)), internal(2, to(1)), event(3, to(1)), internal(4, to(1)))
		k.wantPositions("Read", k.read(reads(to(1)), 0, 1), 1, 3)
		all := k.tail(0, 4)
		k.wantPositions("Tail", all, 1, 2, 3, 4)
		for _, e := range all {
			if e.Internal != (e.Cursor.Seq%2 == 0) {
				k.Fatalf("Tail flags %s as internal: %v", e.Cursor, e.Internal)
			}
		}
		if string(all[1].Data) != `{"n":2}` {
			k.Fatalf("an internal entry lost its data: %q", all[1].Data)
		}
		k.reopen()
		k.wantPositions("Read", k.read(reads(to(1)), 0, 9), 1, 3)
	}},
	"read/budget": {"a reader comes past any number of entries not to be shown, and misses nothing", func(k *logKit) {
		k.begin()
		var list []storage.Entry
		for p := social.Position(1); p <= 9000; p++ {
			switch {
			case p%4500 == 0:
				list = append(list, event(p, to(1)))
			case p%3 == 0:
				list = append(list, event(p, to(1), person(9)))
			case p%3 == 1:
				list = append(list, internal(p, to(1)))
			default:
				list = append(list, event(p, to(1)))
			}
		}
		k.append(list...)
		var targets []social.Position
		for p := social.Position(2); p <= 9000; p += 3 {
			targets = append(targets, p)
		}
		k.append(redact(9001, targets...), event(9002, to(1)))
		a := reads(to(1))
		a.Hidden = map[social.ID]struct{}{person(9): {}}
		k.wantPositions("Read", k.read(a, 0, 10), 4500, 9000, 9002)
		k.wantPositions("Read", k.read(a, 4500, 1), 9000, 9002)
	}},
	"read/own-copy": {"what was read stays as it is, whatever happens to the log", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1), person(3)))
		got := k.read(reads(to(1)), 0, 10)
		k.append(redact(2, 1))
		k.append(events(3, 500, to(1))...)
		if _, err := k.log.Trim(k.Context(), 400, 1000); err != nil {
			k.Fatalf("Trim: %v", err)
		}
		if !same(got[0], event(1, to(1), person(3))) {
			k.Fatalf("an event changed after it was read: %+v", got[0])
		}
	}},
	"read/exact-streams": {"a stream is read by its exact name: ids that share a prefix stay apart (W7)", func(k *logKit) {
		k.begin()
		ids := []social.ID{{1}, {1, 0, 1}, {1, 1}, {10}, {1, 15: 1}, {15: 1}, {15: 2}, {14: 1}, {255, 15: 255}}
		var p social.Position
		var list []storage.Entry
		for range 3 {
			for _, id := range ids {
				for _, kind := range []social.StreamKind{social.To, social.By} {
					p++
					list = append(list, event(p, social.Stream{Kind: kind, User: id}))
				}
			}
		}
		k.append(list...)
		for _, e := range list[:2*len(ids)] {
			n := social.Position(2 * len(ids))
			got := k.read(reads(e.Stream), 0, 2)
			k.wantPositions("Read of "+e.Stream.String(), got, e.Position, e.Position+n, e.Position+2*n)
		}
	}},
	"read/one-moment": {"10,000 events of one millisecond are all replayed, in order (W1)", func(k *logKit) {
		k.begin()
		list := events(1, 10_000, to(1))
		for i := range list {
			list[i].Time = 1_700_000_000_000
		}
		k.append(list[:7000]...)
		k.append(list[7000:]...)
		k.wantPositions("Read", k.read(reads(to(1)), 0, 1000), span(1, 10_000)...)
	}},
	"read/one-record": {"an event is kept once, whoever reads it, and is not replaced (W4 W5 W6)", func(k *logKit) {
		k.begin()
		size := k.log.Size()
		k.append(events(1, 500, by(1))...)
		one := k.log.Size() - size
		for reader := range byte(50) {
			a := reads(to(10+reader), by(1))
			k.wantPositions("Read", k.read(a, 0, 100), span(1, 500)...)
		}
		if again := k.log.Size() - size; again > 2*one {
			k.Fatalf("reading made the log grow from %d to %d bytes", one, again)
		}
		k.wantPositions("Tail", k.tail(0, 500), span(1, 500)...)
	}},
	"read/beside-appends": {"a reader beside a writer misses nothing and is shown nothing twice", func(k *logKit) {
		k.begin()
		const last = 400
		var group sync.WaitGroup
		for n := range byte(3) {
			group.Add(1)
			go func() {
				defer group.Done()
				a, at, want := reads(to(1), by(2)), k.cursor(0), social.Position(1)
				for want <= last {
					page, err := k.log.Read(k.Context(), a, at, 1+int(n)*50)
					if err != nil {
						k.Errorf("Read after %s: %v", at, err)
						return
					}
					for _, e := range page.Events {
						if e.Cursor.Seq != want {
							k.Errorf("reader %d got %s, want %d", n, e.Cursor, want)
							return
						}
						want++
					}
					if page.Through.Seq+1 < want || (page.Through.Seq >= last && !page.More && want <= last) {
						k.Errorf("reader %d is through at %s and waits for %d", n, page.Through, want)
						return
					}
					at = page.Through
				}
			}()
		}
		for p := social.Position(1); p <= last; p += 2 {
			k.append(event(p, to(1)), event(p+1, by(2)))
		}
		group.Wait()
	}},
}
