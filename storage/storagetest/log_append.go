package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var appendRules = map[string]logRule{
	"append/fresh": {"a log without files has no epoch, and its first Reset gives it one", func(k *logKit) {
		if head, oldest := k.log.Head(), k.log.Kept().Oldest(); head != (social.Cursor{}) || oldest != (social.Cursor{}) {
			k.Fatalf("a fresh log has head %s and oldest %s, want no epoch", head, oldest)
		}
		k.begin()
		if head := k.log.Head(); head != (social.Cursor{Epoch: 1}) {
			k.Fatalf("after Reset(1, 0) the head is %s", head)
		}
		k.reopen()
		if head := k.log.Head(); head != (social.Cursor{Epoch: 1}) {
			k.Fatalf("after opening again the head is %s, want 1-0", head)
		}
	}},
	"append/content": {"an event keeps stream, type, time, people and bytes", func(k *logKit) {
		k.begin()
		want := storage.Entry{
			Op: storage.OpAppend, Position: 7, OutboxID: 7, Stream: to(1), Type: "notification.updated", Time: -5,
			About: []social.ID{person(2), person(3), person(4), person(5)}, Data: []byte("\"\x00\r\n\u2028\xff\""),
		}
		k.append(want, event(8, by(1)))
		for range 2 {
			got := k.read(reads(to(1)), 0, 10)
			if len(got) != 1 || !same(got[0], want) {
				k.Fatalf("read %+v, want %+v", got, want)
			}
			if got := k.tail(0, 7); !same(got[0], want) {
				k.Fatalf("Tail gave %+v, want %+v", got, want)
			}
			if at, ok, err := k.log.At(k.Context(), 7); err != nil || !ok || !same(at, want) {
				k.Fatalf("At gave %+v, %v, %v, want %+v", at, ok, err, want)
			}
			k.reopen()
		}
	}},
	"append/repeat": {"an entry at or below the mark is skipped, so any suffix may be given again (I3)", func(k *logKit) {
		k.begin()
		list := []storage.Entry{event(2, to(1)), event(3, by(2)), redact(5, 2), event(9, to(1))}
		k.append(list...)
		other := slices.Clone(list)
		for i := range other {
			other[i].Data, other[i].Stream = []byte(`"other"`), by(9)
		}
		for from := range list {
			k.append(other[from:]...)
			k.append(list[from:]...)
			k.append(append(slices.Clone(other[from:]), event(social.Position(10+from), to(1)))...)
		}
		k.wantHead(13)
		k.wantPositions("Read", k.read(reads(to(1), by(2), by(9)), 0, 100), 3, 9, 10, 11, 12, 13)
		if e, _, _ := k.log.At(k.Context(), 9); string(e.Data) != `{"n":9}` {
			k.Fatalf("a repetition changed the data at 9 to %s", e.Data)
		}
	}},
	"append/atomic": {"Append is all or nothing: a refusal moves neither records nor the mark", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)))
		big := event(3, to(1))
		big.Data = make([]byte, storage.MaxPayload+1)
		err := k.log.Append(k.Context(), event(2, to(1)), big, event(4, to(1)))
		if !errors.Is(err, storage.ErrTooLarge) {
			k.Fatalf("data over the limit gave %v, want ErrTooLarge", err)
		}
		if err := k.log.Append(k.Context(), event(3, to(1)), event(2, to(1))); err == nil {
			k.Fatalf("positions that fall were taken")
		}
		if err := k.log.Append(k.Context(), event(2, to(1)), event(2, to(1))); err == nil {
			k.Fatalf("a position given twice in one call was taken")
		}
		k.wantHead(1)
		k.wantPositions("Tail", k.tail(0, 1), 1)
		big.Data = big.Data[1:]
		for i := range big.Data {
			big.Data[i] = byte(i)
		}
		k.append(event(2, to(1)), big)
		if e, ok, err := k.log.At(k.Context(), 3); err != nil || !ok || !slices.Equal(e.Data, big.Data) {
			k.Fatalf("data of exactly the limit came back wrong: %d bytes, %v, %v", len(e.Data), ok, err)
		}
	}},
	"append/mark": {"the mark moves to the last entry's position, whatever the entry does, and is kept", func(k *logKit) {
		k.begin()
		for _, step := range []storage.Entry{event(10, to(1)), redact(20, 10), erase(1000, person(7)), redact(1 << 40)} {
			k.append(step)
			k.wantHead(step.Position)
			k.reopen()
			k.wantHead(step.Position)
		}
		k.append()
		k.wantHead(1 << 40)
	}},
	"append/overlap": {"overlapping stretches, each from a mark that was seen, leave one copy of each", func(k *logKit) {
		k.begin()
		const last = 600
		var group sync.WaitGroup
		for n := range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					mark := k.log.Head().Seq
					if mark >= last {
						return
					}
					until := min(mark+social.Position(1+7*n), last)
					if err := k.log.Append(k.Context(), events(max(mark, 3)-2, until, to(byte(1+n%2)))...); err != nil {
						k.Errorf("Append up to %d: %v", until, err)
						return
					}
					if head := k.log.Head().Seq; head < until {
						k.Errorf("Append up to %d left the head at %d", until, head)
						return
					}
				}
			}()
		}
		group.Wait()
		k.wantHead(last)
		k.wantPositions("Tail", k.tail(0, last), span(1, last)...)
		k.wantPositions("Read", k.read(reads(to(1), to(2)), 0, 100), span(1, last)...)
	}},
	"append/cancelled": {"a call whose context has ended writes nothing and says so", func(k *logKit) {
		k.begin()
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		if err := k.log.Append(ctx, event(1, to(1))); !errors.Is(err, context.Canceled) {
			k.Fatalf("Append gave %v, want context.Canceled", err)
		}
		if _, err := k.log.Read(ctx, reads(to(1)), k.cursor(0), 10); !errors.Is(err, context.Canceled) {
			k.Fatalf("Read gave %v, want context.Canceled", err)
		}
		k.wantHead(0)
	}},
	"append/closed": {"after Close everything answers ErrClosed, and Close may be called again", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)))
		if err := errors.Join(k.log.Close(), k.log.Close()); err != nil {
			k.Fatalf("Close: %v", err)
		}
		_, errRead := k.log.Read(k.Context(), reads(to(1)), social.Cursor{Epoch: 1}, 10)
		_, _, errAt := k.log.At(k.Context(), 1)
		_, errTrim := k.log.Trim(k.Context(), 1, 1)
		var errTail error
		for _, errTail = range k.log.Tail(k.Context(), social.Cursor{Epoch: 1, Seq: 1}) {
			break
		}
		for what, err := range map[string]error{
			"Append": k.log.Append(k.Context(), event(2, to(1))), "Read": errRead, "At": errAt, "Trim": errTrim, "Tail": errTail,
			"Reset": k.log.Reset(k.Context(), social.Epochs{{Number: 2}}, 0),
		} {
			if !errors.Is(err, storage.ErrClosed) {
				k.Errorf("%s gave %v, want ErrClosed", what, err)
			}
		}
	}},
	"append/health": {"a log that works is healthy, sound, and takes room", func(k *logKit) {
		k.begin()
		k.append(events(1, 2000, to(1))...)
		if err := errors.Join(k.log.Healthy(), k.log.Check(k.Context())); err != nil {
			k.Fatalf("a good log says %v", err)
		}
		if size := k.log.Size(); size < 2000 {
			k.Fatalf("2,000 events take %d bytes", size)
		}
	}},
}

// same compares an event with the entry it was.
func same(e social.Event, want storage.Entry) bool {
	return e.Cursor.Seq == want.Position && e.Stream == want.Stream && e.Type == want.Type && e.Time == want.Time &&
		e.Internal == want.Internal && slices.Equal(e.About, want.About) && slices.Equal(e.Data, want.Data)
}
