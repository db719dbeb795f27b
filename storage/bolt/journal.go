package bolt

import (
	"errors"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/storage"
)

// inboxBytes bounds the records of the inbox, so that bbolt keeps them in one page. A small append then writes that
// page, root, free list and meta page, and leaves the journal with its two levels of branches alone.
const inboxBytes = 4000

// records gives one transaction the records of the log by position: those of the journal, then those of the inbox.
type records struct {
	journal, inbox *bbolt.Bucket
}

func recordsIn(tx *bbolt.Tx) records {
	return records{journal: tx.Bucket(bucketJournal), inbox: tx.Bucket(bucketInbox)}
}

// get returns the value at a key; nil = there is none.
func (r records) get(key []byte) []byte { return r.holder(key).Get(key) }

// holder is the bucket that has a key, or would have it if it is old.
func (r records) holder(key []byte) *bbolt.Bucket {
	if r.inbox.Get(key) != nil {
		return r.inbox
	}
	return r.journal
}

// target is the bucket that takes new records of about so many bytes: the inbox while they fit, else the journal,
// which takes what is in the inbox first.
func (r records) target(bytes int) (*bbolt.Bucket, error) {
	var keys, values [][]byte
	c := r.inbox.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		keys, values = append(keys, k), append(values, v)
		bytes += leafCost + len(k) + len(v)
	}
	if bytes <= inboxBytes {
		return r.inbox, nil
	}
	r.journal.FillPercent = 1.0 // the journal grows at its end only
	for i, k := range keys {
		if err := errors.Join(r.journal.Put(k, values[i]), r.inbox.Delete(k)); err != nil {
			return nil, err
		}
	}
	return r.journal, nil
}

// leafCost is what an element costs in a page of bbolt beside key and value.
const leafCost = 16

// costOf is about what the record of an entry takes in a page.
func costOf(e *storage.Entry) int {
	return leafCost + keyLen + headLen + len(e.Type) + len(e.About)*16 + len(e.Data)
}

// cursor goes through the records in rising order.
type cursor struct {
	journal, inbox *bbolt.Cursor
	behind         bool // the journal is through
}

func (r records) cursor() cursor { return cursor{journal: r.journal.Cursor(), inbox: r.inbox.Cursor()} }

// seek goes to the first record at or behind a key; nil = there is none.
func (c *cursor) seek(key []byte) (k, v []byte) {
	k, v = c.journal.Seek(key)
	if c.behind = k == nil; c.behind {
		return c.inbox.Seek(key)
	}
	return k, v
}

// next goes to the next record; nil = there is none.
func (c *cursor) next() (k, v []byte) {
	if c.behind {
		return c.inbox.Next()
	}
	if k, v = c.journal.Next(); k == nil {
		c.behind = true
		return c.inbox.First()
	}
	return k, v
}
