package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// memoryLog is a storage.Log in a slice. Without a fault it passes the kit; with one it is a mutant.
type memoryLog struct {
	disk   *memoryDisk
	fault  fault
	closed chan struct{}
	once   sync.Once
}

// memoryDisk is what outlives Close.
type memoryDisk struct {
	mu      sync.Mutex
	epochs  social.Epochs
	mark    social.Position
	floor   social.Position
	records []storage.Entry // rising; no data = emptied
	erased  map[social.ID]social.Position
	wake    chan struct{}
}

func newMemoryDisk() *memoryDisk {
	return &memoryDisk{erased: map[social.ID]social.Position{}, wake: make(chan struct{})}
}

func openMemory(disk *memoryDisk, f fault) *memoryLog {
	l := &memoryLog{disk: disk, fault: f, closed: make(chan struct{})}
	if f == markIsLastRecord && len(disk.records) > 0 {
		disk.mark = disk.records[len(disk.records)-1].Position
	}
	if f == epochsAreForgotten && len(disk.epochs) > 1 {
		disk.epochs = disk.epochs[:1]
	}
	if f == eraseIsForgotten {
		clear(disk.erased)
	}
	return l
}

// lock takes the log for one call.
func (l *memoryLog) lock(ctx context.Context) (*memoryDisk, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	select {
	case <-l.closed:
		return nil, nil, storage.ErrClosed
	default:
	}
	l.disk.mu.Lock()
	return l.disk, l.disk.mu.Unlock, nil
}

func (l *memoryLog) Append(ctx context.Context, entries ...storage.Entry) error {
	if l.fault == contextIsIgnored {
		ctx = context.Background()
	}
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	limit := storage.MaxPayload
	if l.fault == payloadEdge {
		limit--
	}
	last := social.Position(0)
	for i, e := range entries {
		if len(e.Data) > limit {
			err = fmt.Errorf("%d bytes: %w", len(e.Data), storage.ErrTooLarge)
		} else if e.Position <= last {
			err = errors.New("positions must rise")
		}
		if last = e.Position; err == nil {
			continue
		}
		if l.fault != halfAppend {
			return err
		}
		entries = entries[:i]
		break
	}
	for _, e := range entries {
		l.apply(d, e)
	}
	if l.fault != wakeIsLost || d.mark%7 != 0 {
		close(d.wake)
		d.wake = make(chan struct{})
	}
	return err
}

func (l *memoryLog) apply(d *memoryDisk, e storage.Entry) {
	if e.Position <= d.mark {
		if l.fault == repeatOverwrites && e.Op == storage.OpAppend {
			for i := range d.records {
				if d.records[i].Position == e.Position {
					d.records[i] = e
				}
			}
		}
		return
	}
	if l.fault != epochIsMissed {
		d.epochs = d.epochs.With(e.Epoch)
	}
	d.mark = e.Position
	switch e.Op {
	case storage.OpAppend:
		e.Data, e.About = bytes.Clone(e.Data), slices.Clone(e.About)
		if len(e.Data) == 0 && l.fault == emptyIsDropped {
			return
		}
		d.records = append(d.records, l.distort(d, e)...)
	case storage.OpRedact:
		for n, p := range e.Targets {
			if l.fault == redactsFirstOnly && n > 0 {
				return
			}
			l.empty(d, p)
		}
	case storage.OpErase:
		if l.fault != eraseIsIgnored {
			d.erased[e.Person] = e.Position
		}
	}
}

// distort is what the wrong ways of keeping an event make of it.
func (l *memoryLog) distort(d *memoryDisk, e storage.Entry) []storage.Entry {
	same := func(by func(r storage.Entry) bool) {
		d.records = slices.DeleteFunc(d.records, by)
	}
	switch l.fault {
	case clockIsKey:
		same(func(r storage.Entry) bool { return r.Time == e.Time })
	case newestOnly:
		same(func(r storage.Entry) bool { return r.Stream == e.Stream && len(d.records) > 400 })
	case keptTwice:
		return []storage.Entry{e, e}
	case timeInSeconds:
		e.Time -= e.Time % 1000
	case fourthPersonIsLost:
		e.About = e.About[:min(len(e.About), 3)]
	}
	return []storage.Entry{e}
}

func (l *memoryLog) empty(d *memoryDisk, p social.Position) {
	for i := range d.records {
		if d.records[i].Position != p {
			continue
		}
		switch l.fault {
		case redactDropsPlace:
			d.records = slices.Delete(d.records, i, i+1)
		case buffersAreShared:
			clear(d.records[i].Data)
			fallthrough
		default:
			d.records[i].Data, d.records[i].About = nil, nil
		}
		return
	}
}

// gone reports whether a record is shown to nobody.
func (l *memoryLog) gone(d *memoryDisk, e storage.Entry) bool {
	people := append([]social.ID{e.Stream.User}, e.About...)
	if l.fault == eraseByStream {
		people = people[:1]
	}
	for _, id := range people {
		at, ok := d.erased[id]
		if ok && (e.Position <= at || l.fault == eraseIsForEver) {
			return true
		}
	}
	return len(e.Data) == 0
}

func (l *memoryLog) Head() social.Cursor {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.kept(l.disk).Newest()
}

func (l *memoryLog) Kept() social.Kept {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.kept(l.disk)
}

func (l *memoryLog) kept(d *memoryDisk) social.Kept {
	k := social.Kept{Floor: d.floor, Head: d.mark, Epochs: d.epochs}
	if l.fault == newestEpochForAll && len(d.epochs) > 0 {
		k.Epochs = d.epochs[len(d.epochs)-1:]
	}
	return k
}

func (l *memoryLog) At(ctx context.Context, p social.Position) (social.Event, bool, error) {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return social.Event{}, false, err
	}
	defer unlock()
	for _, e := range d.records {
		if e.Position != p {
			continue
		}
		if l.gone(d, e) && l.fault != atShowsErased {
			e.Data, e.About = nil, nil
		}
		return l.event(d, e), true, nil
	}
	return social.Event{}, false, nil
}

func (l *memoryLog) Trim(ctx context.Context, before social.Position, limit int) (int, error) {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if l.fault != trimPassesHead {
		before = min(before, d.mark)
	}
	if limit < 1 || before <= d.floor {
		return 0, nil
	}
	edge := before
	switch l.fault {
	case trimKeepsEdge:
		edge--
	case trimTakesMore:
		edge++
	}
	n := 0
	for n < len(d.records) && d.records[n].Position <= edge && (n < limit || l.fault == trimHasNoLimit) {
		n++
	}
	floor := before
	if n < len(d.records) && d.records[n].Position <= edge && l.fault != floorJumps {
		floor = d.records[n-1].Position
	}
	if l.fault != trimKeepsRecords {
		d.records = slices.Clone(d.records[n:])
	}
	if l.fault != floorStays {
		d.floor = floor
	}
	if l.fault != epochsAreNeverTrimmed {
		d.epochs = d.epochs.Above(d.floor)
	}
	maps.DeleteFunc(d.erased, func(_ social.ID, at social.Position) bool { return at <= d.floor })
	return n, nil
}

func (l *memoryLog) Sweep(ctx context.Context, limit int) (int, error) {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for i, e := range d.records {
		if n == limit && l.fault != sweepHasNoLimit {
			break
		}
		if len(e.Data) > 0 && l.gone(d, e) && l.fault != sweepDoesNothing {
			d.records[i].Data, d.records[i].About = nil, nil
			n++
		}
	}
	return n, nil
}

func (l *memoryLog) Reset(ctx context.Context, epochs social.Epochs, floor social.Position) error {
	d, unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	d.mark, d.floor = floor, floor
	if l.fault != resetKeepsEpoch || len(d.epochs) == 0 {
		d.epochs = epochs
	}
	if l.fault == resetForgetsOldEpochs {
		d.epochs = epochs[len(epochs)-1:]
	}
	if l.fault != resetKeepsRecords {
		d.records = nil
	}
	if l.fault != resetKeepsErased {
		clear(d.erased)
	}
	return nil
}

func (l *memoryLog) Size() int64 {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	n := 0
	for _, e := range l.disk.records {
		n += 64 + len(e.Data)
	}
	return int64(n)
}

func (l *memoryLog) Check(context.Context) error { return nil }

func (l *memoryLog) Healthy() error { return nil }

func (l *memoryLog) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

var _ storage.Log = (*memoryLog)(nil)
