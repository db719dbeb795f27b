package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules"
)

// Check verifies each record of the journal and that its stream knows it, in pages, beside the running log. What the
// tree itself promises is checked by Open.
func (l *Log) Check(ctx context.Context) error {
	p := l.now.Load()
	for at := p.floor; at < p.head; {
		err := l.view(ctx, func(tx *bbolt.Tx) error {
			streams := tx.Bucket(bucketStreams)
			c := tx.Bucket(bucketJournal).Cursor()
			scanned := 0
			for k, v := c.Seek(keyOf(at + 1)); k != nil && scanned < pageScan; k, v = c.Next() {
				scanned++
				at = positionOf(k)
				if err := checkRecord(streams, k, v); err != nil {
					return err
				}
			}
			if scanned < pageScan {
				at = p.head
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("log: check: %w", err)
		}
	}
	return nil
}

func checkRecord(streams *bbolt.Bucket, k, v []byte) error {
	r, err := decode(k, v)
	if err != nil {
		return fmt.Errorf("position %d: %w", positionOf(k), err)
	}
	name := r.stream.Bytes()
	b := streams.Bucket(name[:])
	if b == nil {
		return fmt.Errorf("position %d: %s has no bucket", positionOf(k), r.stream)
	}
	flags := b.Get(k)
	if len(flags) != 1 || flags[0] != r.flags {
		return fmt.Errorf("position %d: %s does not know it", modules.Position(positionOf(k)), r.stream)
	}
	return nil
}
