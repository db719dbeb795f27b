package storagetest_test

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func (l *memoryLog) gap(d *memoryDisk, after social.Cursor) error {
	k := l.kept(d)
	g := &social.GapError{From: after, To: k.Newest()}
	floor := d.floor
	switch l.fault {
	case gapAtFloor:
		floor++
	case gapBelowFloor:
		floor = max(floor, 1) - 1
	}
	switch {
	case l.fault == endIsIgnored && slices.ContainsFunc(k.Epochs, func(e social.Epoch) bool {
		return e.Number == after.Epoch && after.Seq > e.After
	}) && after.Seq <= d.mark:
		return nil
	case after != k.Cursor(after.Seq) && l.fault != epochIsIgnored:
		g.Reason = social.GapEpoch
	case after.Seq > d.mark && l.fault != futureIsTaken:
		g.Reason = social.GapFuture
	case after.Seq < floor && d.floor > 0:
		g.Reason, g.To = social.GapExpired, k.Oldest()
		if l.fault == gapToHead {
			g.To = k.Newest()
		}
	default:
		return nil
	}
	return g
}

func (l *memoryLog) Read(
	ctx context.Context, a social.Audience, after social.Cursor, limit int,
) (social.EventPage, error) {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return social.EventPage{}, err
	}
	defer unlock()
	if err := l.gap(d, after); err != nil {
		return social.EventPage{}, err
	}
	page := social.EventPage{Through: l.kept(d).Newest()}
	scanned := 0
	for _, e := range d.records {
		if e.Position <= after.Seq || !l.wanted(a, e) {
			continue
		}
		scanned++
		if len(page.Events) == limit && l.fault != limitIsIgnored || (l.fault == budgetIsTheEnd && scanned > 2000) {
			page.More = l.fault != moreIsMissing && l.fault != budgetIsTheEnd
			page.Through = l.kept(d).Cursor(e.Position - 1)
			if l.fault == throughIsNext {
				page.Through = l.kept(d).Cursor(e.Position)
			}
			if l.fault == throughHasNewestEpoch {
				page.Through.Epoch = l.kept(d).Newest().Epoch
			}
			break
		}
		if l.gone(d, e) || (e.Internal && l.fault != internalIsShown) {
			continue
		}
		if shown := l.event(d, e); !l.hides(a, shown) {
			page.Events = append(page.Events, shown)
		}
	}
	if n := len(page.Events); n > 0 && !page.More && l.fault == throughIsLast {
		page.Through = page.Events[n-1].Cursor
	}
	if l.fault == byStream {
		slices.SortStableFunc(page.Events, func(a, b social.Event) int {
			x, y := a.Stream.Bytes(), b.Stream.Bytes()
			return bytes.Compare(x[:], y[:])
		})
	}
	return page, nil
}

// wanted reports whether a record is in one of the audience's sources.
func (l *memoryLog) wanted(a social.Audience, e storage.Entry) bool {
	for _, s := range a.Sources {
		since := s.Since
		switch l.fault {
		case sinceIsIgnored:
			since = 0
		case sinceIsIncluded:
			since = max(since, 1) - 1
		}
		same := s.Stream == e.Stream
		if l.fault == byPrefix {
			same = s.Stream.Kind == e.Stream.Kind && bytes.HasPrefix(e.Stream.User[:], bytes.TrimRight(s.Stream.User[:], "\x00"))
		}
		if same && e.Position > since {
			return true
		}
	}
	return false
}

func (l *memoryLog) hides(a social.Audience, e social.Event) bool {
	switch l.fault {
	case hiddenIsIgnored:
		return false
	case hiddenIsActorOnly:
		e.About = e.About[:min(len(e.About), 1)]
	}
	return a.Hides(e)
}

func (l *memoryLog) event(d *memoryDisk, e storage.Entry) social.Event {
	out := social.Event{
		Cursor: l.kept(d).Cursor(e.Position), Stream: e.Stream, Type: e.Type, Time: e.Time,
		About: slices.Clone(e.About), Internal: e.Internal && l.fault != internalIsUnmarked, Data: bytes.Clone(e.Data)}
	if l.fault == buffersAreShared {
		out.Data = e.Data
	}
	return out
}

func (l *memoryLog) Tail(ctx context.Context, after social.Cursor) iter.Seq2[[]social.Event, error] {
	return func(yield func([]social.Event, error) bool) {
		for {
			list, through, wake, err := l.page(ctx, after)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(list) > 0 && !yield(list, nil) {
				return
			}
			if after = through; len(list) > 0 {
				continue
			}
			if l.fault == registersSecond {
				time.Sleep(time.Nanosecond) // in a bubble: until everybody else waits
				l.disk.mu.Lock()
				wake = l.disk.wake
				l.disk.mu.Unlock()
			}
			select {
			case <-wake:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case <-l.closed:
				yield(nil, storage.ErrClosed)
				return
			}
		}
	}
}

func (l *memoryLog) page(
	ctx context.Context, after social.Cursor,
) (list []social.Event, through social.Cursor, wake chan struct{}, err error) {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return nil, after, nil, err
	}
	defer unlock()
	if err := l.gap(d, after); err != nil {
		if l.fault != tailSkipsGap || d.floor <= after.Seq {
			return nil, after, nil, err
		}
		after = l.kept(d).Oldest()
	}
	size := 256
	if l.fault == batchIsLarge {
		size++
	}
	through = l.kept(d).Newest()
	for _, e := range d.records {
		if e.Position <= after.Seq || (l.gone(d, e) && l.fault != redactedInTail) {
			continue
		}
		if len(list) == size {
			if l.fault != tailSkips {
				through = l.kept(d).Cursor(e.Position - 1)
			}
			break
		}
		if !e.Internal || l.fault != internalNotInTail {
			list = append(list, l.event(d, e))
		}
	}
	if l.fault == tailDoubles && len(list) == size {
		through = l.kept(d).Cursor(through.Seq - 1)
	}
	return list, through, d.wake, nil
}
