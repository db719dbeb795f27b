package storagetest

import (
	"context"
	"errors"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var tailRules = map[string]logRule{
	"tail/order": {"Tail gives every event of every stream, once, in order, in batches of at most 256", func(k *logKit) {
		k.begin()
		var list []storage.Entry
		var want []social.Position
		for p := social.Position(1); p <= 3000; p += 1 + p%3 {
			list = append(list, event(p, by(byte(p%50))))
			want = append(want, p)
		}
		k.append(list...)
		last := want[len(want)-1]
		k.wantPositions("Tail", k.tail(0, last), want...)
		k.wantPositions("Tail", k.tail(want[777], last), want[778:]...)
		k.wantPositions("Tail from a hole", k.tail(want[2]+1, last), want[3:]...)
	}},
	"tail/wakes": {"a tail that waits at the head is woken by every append; no wake-up is lost (I6)", func(k *logKit) {
		k.begin()
		const last = 500
		ctx, cancel := context.WithTimeout(k.Context(), patience)
		defer cancel()
		var group sync.WaitGroup
		turn := make(chan social.Position)
		for n := range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				want := social.Position(1)
				for list, err := range k.log.Tail(ctx, k.cursor(0)) {
					if err != nil {
						k.Errorf("tail %d, waiting for %d: %v", n, want, err)
						return
					}
					for _, e := range list {
						if e.Cursor.Seq != want {
							k.Errorf("tail %d got %s, want %d", n, e.Cursor, want)
							return
						}
						if want++; n == 0 { // the writer goes on when this one has heard
							select {
							case turn <- e.Cursor.Seq:
							case <-ctx.Done():
							}
						}
					}
					if want > last {
						return
					}
				}
			}()
		}
		for p := social.Position(1); p <= last; p++ {
			k.append(event(p, to(1)))
			select {
			case <-turn:
			case <-ctx.Done():
				k.Fatalf("the event at %d reached no tail", p)
			}
		}
		group.Wait()
	}},
	"tail/wakes-in-hand": {"what is appended while a consumer has a batch in hand comes next", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)))
		ctx, cancel := context.WithTimeout(k.Context(), patience)
		defer cancel()
		want := social.Position(1)
		for list, err := range k.log.Tail(ctx, k.cursor(0)) {
			if err != nil {
				k.Fatalf("Tail, waiting for %d: %v", want, err)
			}
			for _, e := range list {
				if e.Cursor.Seq != want {
					k.Fatalf("Tail gave %s, want %d", e.Cursor, want)
				}
				want++
			}
			if want > 50 {
				return
			}
			k.append(event(want, to(1)))
		}
	}},
	"tail/wakes-behind-nothing": {"what shows nothing, as a redaction, does not stop a tail", func(k *logKit) {
		k.begin()
		ctx, cancel := context.WithTimeout(k.Context(), patience)
		defer cancel()
		got := make(chan social.Position, 200)
		var group sync.WaitGroup
		group.Go(func() {
			for list, err := range k.log.Tail(ctx, k.cursor(0)) {
				if err != nil {
					k.Errorf("Tail: %v", err)
					return
				}
				for _, e := range list {
					if got <- e.Cursor.Seq; e.Cursor.Seq == 300 {
						return
					}
				}
			}
		})
		for p := social.Position(1); p < 300; p += 3 {
			empty := event(p+1, to(1))
			empty.Data = nil
			k.append(redact(p))
			k.append(empty)
			k.append(event(p+2, to(1)))
		}
		k.append(event(300, to(1)))
		group.Wait()
		close(got)
		want := social.Position(3)
		for p := range got {
			if p != want {
				k.Fatalf("Tail gave %d, want %d", p, want)
			}
			want += 3
		}
	}},
	"tail/durable": {"Tail shows nothing above the head (I25)", func(k *logKit) {
		k.begin()
		ctx, cancel := context.WithTimeout(k.Context(), patience)
		defer cancel()
		var group sync.WaitGroup
		group.Go(func() {
			for list, err := range k.log.Tail(ctx, k.cursor(0)) {
				if err != nil {
					k.Errorf("Tail: %v", err)
					return
				}
				last := list[len(list)-1].Cursor
				if head := k.log.Head(); head.Seq < last.Seq {
					k.Errorf("Tail gave %s while the head was %s", last, head)
					return
				}
				if last.Seq == 1000 {
					return
				}
			}
		})
		for p := social.Position(1); p <= 1000; p += 10 {
			k.append(events(p, p+9, to(1))...)
		}
		group.Wait()
	}},
	"tail/ends": {"Tail ends with its context's error, or ErrClosed, also while it waits", func(k *logKit) {
		k.begin()
		k.append(event(1, to(1)))
		ctx, cancel := context.WithCancel(k.Context())
		ends := make(chan error, 2)
		run := func(ctx context.Context, ready chan<- struct{}) {
			for _, err := range k.log.Tail(ctx, k.cursor(0)) {
				if err != nil {
					ends <- err
					return
				}
				close(ready)
			}
			ends <- nil
		}
		first, second := make(chan struct{}), make(chan struct{})
		go run(ctx, first)
		hear(k, first)
		cancel()
		if err := hear(k, ends); !errors.Is(err, context.Canceled) {
			k.Fatalf("Tail ended with %v, want context.Canceled", err)
		}
		go run(k.Context(), second)
		hear(k, second)
		if err := k.log.Close(); err != nil {
			k.Fatalf("Close: %v", err)
		}
		if err := hear(k, ends); !errors.Is(err, storage.ErrClosed) {
			k.Fatalf("Tail ended with %v, want ErrClosed", err)
		}
	}},
	"tail/expired": {"a tail that the floor has overtaken ends with a gap; it never skips in silence", func(k *logKit) {
		k.begin()
		k.append(events(1, 1000, to(1))...)
		for list, err := range k.log.Tail(k.Context(), k.cursor(0)) {
			if err != nil {
				var gap *social.GapError
				if !errors.As(err, &gap) || gap.Reason != social.GapExpired || gap.To != k.cursor(900) {
					k.Fatalf("Tail ended with %v, want a gap to %s", err, k.cursor(900))
				}
				return
			}
			if list[0].Cursor.Seq > 900 {
				k.Fatalf("Tail went on at %s as if nothing were missing", list[0].Cursor)
			}
			if _, err := k.log.Trim(k.Context(), 900, 1000); err != nil {
				k.Fatalf("Trim: %v", err)
			}
		}
		k.Fatalf("Tail ended without an error")
	}},
	"tail/early": {"a consumer may leave at any time", func(k *logKit) {
		k.begin()
		k.append(events(1, 600, to(1))...)
		for range 3 {
			for list, err := range k.log.Tail(k.Context(), k.cursor(0)) {
				if err != nil || list[0].Cursor.Seq != 1 {
					k.Fatalf("Tail gave %v, %v", list, err)
				}
				break
			}
		}
		k.append(event(601, to(1)))
	}},
}

// hear waits for a channel, but not for ever.
func hear[T any](k *logKit, c <-chan T) (v T) {
	k.Helper()
	select {
	case v = <-c:
	case <-k.Context().Done():
		k.Fatalf("nothing came for %s", patience)
	}
	return v
}
