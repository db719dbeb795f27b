package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// poison is an entry that cannot go into the log.
type poison struct {
	id  int64
	err error
}

func (p *poison) Error() string { return fmt.Sprintf("outbox: entry %d: %v", p.id, p.err) }
func (p *poison) Unwrap() error { return p.err }

// copied tells what one copyBatch did.
type copied struct {
	entries int
	oldest  social.Time // of the rows found; 0 = there were none
	more    bool        // there may be other rows
}

// copyBatch copies one batch of rows from the outbox into the log. Its place is the log's applied mark and nothing
// else: what a crash cuts off is read again, what was applied before is skipped by the log. A *poison error speaks
// of one entry; all before it have been applied. Any other error is one of the stores'.
func copyBatch(ctx context.Context, f *feed, log storage.Log) (c copied, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("outbox: copy: panic: %v", p)
		}
		if err != nil {
			f.stop()
		}
	}()
	b, err := f.take(ctx, log.Head().Seq)
	if err != nil || b.last == 0 {
		return c, err
	}
	c.oldest, c.more = b.oldest, b.more
	if err := log.Append(ctx, b.entries...); isStoreError(err) {
		return c, fmt.Errorf("outbox: copy: %w", err)
	} else if err != nil {
		c.more = true // what stands behind these entries has not been looked at
		return one(ctx, log, b.entries, c)
	}
	c.entries = len(b.entries)
	if b.bad != nil {
		return c, b.bad
	}
	return c, nil
}

// one gives the entries one by one, to find the one that the log refuses.
func one(ctx context.Context, log storage.Log, entries []storage.Entry, c copied) (copied, error) {
	for _, e := range entries {
		if err := log.Append(ctx, e); isStoreError(err) {
			return c, fmt.Errorf("outbox: copy: %w", err)
		} else if err != nil {
			return c, &poison{id: e.OutboxID, err: err}
		}
		c.entries++
	}
	return c, nil
}

// isStoreError tells a store that cannot work now from an entry that it refuses.
func isStoreError(err error) bool {
	for _, target := range []error{storage.ErrFull, storage.ErrReadOnly, storage.ErrFailed, storage.ErrClosed,
		context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isFinal reports an error after which the process has to end.
func isFinal(err error) bool {
	return errors.Is(err, storage.ErrFailed) || errors.Is(err, storage.ErrClosed)
}
