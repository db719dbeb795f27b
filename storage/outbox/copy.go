package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// copied tells what one copyBatch did.
type copied struct {
	entries int
	oldest  social.Time // of the rows found; 0 = there were none
	more    bool        // there may be other rows
}

// copyBatch copies one batch of rows from the outbox into the log. Its place is the log's applied mark and nothing
// else: what a crash cuts off is read again, and the log skips what was applied before. A *poison error speaks
// of one entry; all before it have been applied. Any other error is one of the stores'.
func copyBatch(ctx context.Context, db storage.DB, log storage.LogAppender) (c copied, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("outbox: copy: panic: %v", p)
		}
	}()
	b, err := readBatch(ctx, db, log.Head().Seq)
	if err != nil || b.rows == 0 {
		return c, err
	}
	c.oldest, c.more = b.oldest, b.more
	err = log.Append(ctx, b.entries...)
	if err == nil {
		c.entries = len(b.entries)
		if b.bad != nil {
			err = b.bad
		}
		return c, err
	}
	c.more = true                 // nobody has looked at what stands behind these entries
	for _, e := range b.entries { // one by one, to find the one that the log refuses
		if isStoreError(err) {
			break
		}
		if err = log.Append(ctx, e); err != nil && !isStoreError(err) {
			return c, &poison{id: e.OutboxID, err: err}
		} else if err == nil {
			c.entries++
		}
	}
	if err != nil {
		err = fmt.Errorf("outbox: copy: %w", err)
	}
	return c, err
}

// isStoreError tells a store that cannot work now from an entry that it refuses.
func isStoreError(err error) bool {
	return isFinal(err) || errors.Is(err, storage.ErrFull) || errors.Is(err, storage.ErrReadOnly) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isFinal reports an error after which the process has to end.
func isFinal(err error) bool {
	return errors.Is(err, storage.ErrFailed) || errors.Is(err, storage.ErrClosed)
}
