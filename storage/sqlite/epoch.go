package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// epoch is this process in the table of epochs. Its row is written in the very transaction that gives its first
// position, whoever gives it, so no position is ever shown under a number that another run has or can get (I27).
type epoch struct {
	asked   bool  // somebody has been about to give a position, and before is known
	before  int64 // the highest position when this process had given none
	written bool  // by the transaction at hand
	durable bool
}

// highest is the highest position ever given out: SQLite remembers it when all rows are gone, and the floor is known
// where they were restored without that.
const highest = `SELECT MAX(COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0), floor) FROM log_state`

func (t *tx) OpenEpoch(context.Context) error {
	e := &t.w.epoch
	if e.asked {
		return nil
	}
	if err := t.usable(); err != nil {
		return err
	}
	if err := t.c.scan(highest, &e.before); err != nil {
		return t.check(fmt.Errorf("epoch: %w", err))
	}
	e.asked = true
	return nil
}

// save is called before each commit, kept after it.
func (e *epoch) save(c *conn) error {
	if e.written = false; !e.asked || e.durable {
		return nil
	}
	var now int64
	if err := c.scan(highest, &now); err != nil || now == e.before {
		return err // whoever asked has been undone
	}
	for !e.written {
		var b [4]byte
		rand.Read(b[:]) // never fails (crypto/rand)
		rows, err := c.exec(`INSERT INTO epochs (n, epoch, after) SELECT MAX(n) + 1, $1, $2 FROM epochs
			HAVING $1 <> 0 AND NOT EXISTS (SELECT 1 FROM epochs WHERE epoch = $1)`, int64(binary.BigEndian.Uint32(b[:])),
			e.before)
		if e.written = rows == 1; err != nil {
			return fmt.Errorf("epoch: %w", err)
		}
	}
	return nil
}

func (e *epoch) kept() { e.durable = e.durable || e.written }
