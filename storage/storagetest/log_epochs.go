package storagetest

import (
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// given is an entry of the run that began behind after.
func given(e storage.Entry, epoch uint32, after social.Position) storage.Entry {
	e.Epoch = social.Epoch{Number: epoch, After: after}
	return e
}

// runs gives the log three epochs: 7 up to 12, 5 up to 20, 9 up to the head at 30.
func (k *logKit) runs() {
	k.Helper()
	k.reset(10, 7)
	k.append(given(event(11, to(1)), 7, 10), given(event(12, to(1)), 7, 10), given(event(15, to(1)), 5, 12))
	k.append(given(event(20, to(1)), 5, 12))
	k.append(given(event(25, to(1)), 9, 20), event(30, to(1)))
}

var epochRules = map[string]logRule{
	"epochs/ids": {"a position keeps the epoch of the run that gave it (I27)", func(k *logKit) {
		k.runs()
		want := "[7-11 7-12 5-15 5-20 9-25 9-30]"
		for range 2 {
			var ids []social.Cursor
			page, err := k.log.Read(k.Context(), reads(to(1)), social.Cursor{Epoch: 7, Seq: 10}, 100)
			for _, e := range page.Events {
				ids = append(ids, e.Cursor)
			}
			if err != nil || fmt.Sprint(ids) != want || page.Through.String() != "9-30" {
				k.Fatalf("Read gave %v through %s, %v; want %s", ids, page.Through, err, want)
			}
			ids = nil
			for _, e := range k.tail(10, 30) {
				ids = append(ids, e.Cursor)
			}
			if fmt.Sprint(ids) != want {
				k.Fatalf("Tail gave %v, want %s", ids, want)
			}
			if e, ok, err := k.log.At(k.Context(), 15); !ok || e.Cursor.String() != "5-15" {
				k.Fatalf("At(15) gave %s, %v", e.Cursor, err)
			}
			if head, kept := k.log.Head(), k.log.Kept(); head.String() != "9-30" || kept.Oldest().String() != "7-10" {
				k.Fatalf("head is %s and oldest %s", head, kept.Oldest())
			}
			k.reopen()
		}
	}},
	"epochs/pages": {"a page that ends within an epoch says so, and the next goes on from there", func(k *logKit) {
		k.runs()
		at := social.Cursor{Epoch: 7, Seq: 10}
		for _, want := range []social.Position{11, 12, 15, 20, 25, 30} {
			page, err := k.log.Read(k.Context(), reads(to(1)), at, 1)
			if err != nil || len(page.Events) != 1 || page.Events[0].Cursor.Seq != want {
				k.Fatalf("Read after %s gave %+v, %v; want %d", at, page, err, want)
			}
			if at = page.Through; at != k.log.Kept().Cursor(at.Seq) {
				k.Fatalf("Through is %s, want %s", at, k.log.Kept().Cursor(at.Seq))
			}
		}
	}},
	"epochs/gaps": {"an id is good exactly if its epoch gave that position, in Read and in Tail", func(k *logKit) {
		k.runs()
		at := func(epoch uint32, p social.Position) social.Cursor { return social.Cursor{Epoch: epoch, Seq: p} }
		for _, good := range []social.Cursor{at(7, 10), at(7, 11), at(7, 12), at(5, 13), at(5, 20), at(9, 21), at(9, 30)} {
			if _, err := k.log.Read(k.Context(), reads(to(1)), good, 1); err != nil {
				k.Fatalf("Read after %s gave %v", good, err)
			}
		}
		head := at(9, 30)
		for bad, reason := range map[social.Cursor]social.GapReason{
			at(7, 13): social.GapEpoch, at(5, 12): social.GapEpoch, at(5, 21): social.GapEpoch, at(9, 20): social.GapEpoch,
			at(7, 31): social.GapEpoch, at(9, 31): social.GapFuture, at(4, 15): social.GapEpoch, at(5, 0): social.GapEpoch,
		} {
			_, err := k.log.Read(k.Context(), reads(to(1)), bad, 1)
			k.wantGap("Read after "+bad.String(), err, reason, bad, head)
			for _, err := range k.log.Tail(k.Context(), bad) {
				k.wantGap("Tail after "+bad.String(), err, reason, bad, head)
				break
			}
		}
		if _, err := k.log.Trim(k.Context(), 15, 100); err != nil {
			k.Fatalf("Trim: %v", err)
		}
		_, err := k.log.Read(k.Context(), reads(to(1)), at(7, 12), 1)
		k.wantGap("Read after 7-12", err, social.GapExpired, at(7, 12), at(5, 15))
	}},
	"epochs/rebuilt": {"a log that is filled again knows the epochs of its floor and of what it is given", func(k *logKit) {
		epochs := social.Epochs{{Number: 7, After: 3}, {Number: 5, After: 12}, {Number: 9, After: 20}}
		if err := k.log.Reset(k.Context(), epochs, 15); err != nil {
			k.Fatalf("Reset: %v", err)
		}
		if head := k.log.Head(); head.String() != "5-15" {
			k.Fatalf("the head is %s, want 5-15", head)
		}
		k.append(given(event(20, to(1)), 5, 12), given(event(25, to(1)), 9, 20), given(event(31, to(1)), 4, 30))
		for range 2 {
			if events := fmt.Sprint(k.log.Kept().Epochs); events != "[{7 3} {5 12} {9 20} {4 30}]" {
				k.Fatalf("the table of epochs is %s", events)
			}
			k.reopen()
		}
	}},
	"epochs/trimmed": {"a thousand epochs that ended below the floor are kept, and no more", func(k *logKit) {
		k.begin()
		var list []storage.Entry
		for p := social.Position(1); p <= social.MaxEndedEpochs+10; p++ {
			list = append(list, given(event(p, to(1)), uint32(p)+1, p-1))
		}
		k.append(list...)
		last := social.Position(len(list))
		for range 2 {
			if _, err := k.log.Trim(k.Context(), last-1, 1000); err != nil {
				k.Fatalf("Trim: %v", err)
			}
		}
		if n := len(k.log.Kept().Epochs); n != social.MaxEndedEpochs+1 {
			k.Fatalf("%d epochs are kept", n)
		}
		k.reopen()
		for at, reason := range map[social.Cursor]social.GapReason{
			{Epoch: uint32(last) - 5, Seq: last - 6}: social.GapExpired, {Epoch: 2, Seq: 1}: social.GapEpoch,
		} {
			_, err := k.log.Read(k.Context(), reads(to(1)), at, 1)
			to := k.log.Head()
			if reason == social.GapExpired {
				to = k.log.Kept().Oldest()
			}
			k.wantGap("Read after "+at.String(), err, reason, at, to)
		}
	}},
}
