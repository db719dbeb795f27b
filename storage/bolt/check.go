package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// Check verifies each record, and that its stream has it once it is flushed, in pages, beside the running log. What the
// trees themselves promise is checked by Open.
func (l *Log) Check(ctx context.Context) error {
	p := l.now.Load()
	for at := p.Floor; at < p.Head; {
		err := l.view(ctx, func(tx *bbolt.Tx) error {
			s, err := stateIn(tx)
			if err != nil {
				return err
			}
			c := recordsIn(tx).cursor()
			scanned := 0
			for k, v := c.seek(keyOf(at + 1)); k != nil && positionOf(k) <= p.Head; k, v = c.next() {
				if scanned++; scanned > pageScan {
					return nil
				}
				at = positionOf(k)
				r, err := decode(k, v)
				if err != nil {
					return fmt.Errorf("position %d: %w", at, err)
				}
				if at <= s.flushed && !has(tx, r.stream, postingOf(at, r.flags)) {
					return fmt.Errorf("position %d: %s does not have it", at, r.stream)
				}
			}
			at = p.Head
			return nil
		})
		if err != nil {
			return fmt.Errorf("log: check: %w", err)
		}
	}
	return nil
}

// has reports whether the bucket of a stream has a posting.
func has(tx *bbolt.Tx, stream social.Stream, p posting) bool {
	name := stream.Bytes()
	b := tx.Bucket(bucketStreams).Bucket(name[:])
	if b == nil {
		return false
	}
	k, v := b.Cursor().Seek(keyOf(p.position()))
	if k == nil {
		return false
	}
	list, err := decodeBlock(nil, k, v, p.position())
	return err == nil && len(list) > 0 && list[0] == p
}
