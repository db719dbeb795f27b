package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"
)

// Check verifies each record of the journal and that its stream knows it, in pages, beside the running log. What the
// tree itself promises is checked by Open.
func (l *Log) Check(ctx context.Context) error {
	p := l.now.Load()
	for at := p.floor; at < p.head; {
		var unknown []noted
		through := p.head
		err := l.view(ctx, func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketJournal).Cursor()
			scanned := 0
			for k, v := c.Seek(keyOf(at + 1)); k != nil && positionOf(k) <= p.head; k, v = c.Next() {
				if scanned++; scanned > pageScan {
					return nil
				}
				through = positionOf(k)
				r, err := decode(k, v)
				if err != nil {
					return fmt.Errorf("position %d: %w", positionOf(k), err)
				}
				n := noted{stream: r.stream, place: placeOf(positionOf(k), r.flags)}
				if !knows(tx, n) {
					unknown = append(unknown, n)
				}
			}
			through = p.head
			return nil
		})
		if err == nil {
			err = l.find(ctx, unknown)
		}
		if err != nil {
			return fmt.Errorf("log: check: %w", err)
		}
		at = through
	}
	return nil
}

// find looks for places that a transaction did not show in their streams: they are in memory, or have been moved since,
// or were trimmed.
func (l *Log) find(ctx context.Context, list []noted) error {
	recent := l.recent.Load()
	for _, n := range list {
		if recent.knows(n) {
			continue
		}
		err := l.view(ctx, func(tx *bbolt.Tx) error {
			s, err := stateIn(tx)
			if err == nil && n.place.position() > s.floor && !knows(tx, n) {
				err = fmt.Errorf("position %d: %s does not know it", n.place.position(), n.stream)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// knows reports whether the bucket of a stream has a place.
func knows(tx *bbolt.Tx, n noted) bool {
	name := n.stream.Bytes()
	b := tx.Bucket(bucketStreams).Bucket(name[:])
	if b == nil {
		return false
	}
	p := n.place.position()
	k, v := b.Cursor().Seek(keyOf(p))
	if k == nil {
		return false
	}
	list, err := decodeBlock(nil, k, v, p)
	return err == nil && len(list) > 0 && list[0] == n.place
}
