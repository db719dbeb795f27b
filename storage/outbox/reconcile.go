package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Report tells what Reconcile found and did, for one line in the log.
type Report struct {
	Found    string // in words: "store and log agree"
	Epoch    uint32 // in force now
	NewEpoch bool   // clients see one gap
	Rebuild  bool   // the log is empty and will be filled from the outbox by CatchUp
	Floor    social.Position
	Head     social.Position // the log's, before the rebuild
	Outbox   social.Position // the newest announcement, or the floor
}

func (r Report) String() string {
	s := fmt.Sprintf("%s; epoch %d, log at %d, outbox at %d, floor %d", r.Found, r.Epoch, r.Head, r.Outbox, r.Floor)
	if r.Rebuild {
		s += "; the log is filled from the outbox"
	}
	if r.NewEpoch {
		s += "; the epoch is new, so each client sees one gap"
	}
	return s
}

// history is what the store says of the log.
type history struct {
	epoch uint32
	floor social.Position // announcements up to here may be gone
	top   social.Position // no announcement above it has ever been kept
	probe storage.Entry   // the newest announcement the log has to hold; Position 0 = none
}

// Reconcile makes log and store agree on one history. The host calls it once at start, before anything reads the log,
// and CatchUp after it; so it has the whole log. The store is the truth; a log that does not fit is set aside.
//
// The epoch stays when every position still stands for what it stood for: the log is in step, behind, or gone (new,
// deleted, damaged) and is filled again from the outbox under the same ids. A new epoch is drawn, and each client sees
// one gap, when the log is of another epoch, is ahead of the store, differs from it at a position (an older copy of the
// store was put back), or ends below the oldest announcement kept. The new epoch is durable in the store before the log
// is reset, so a crash in between ends in the same place, one epoch further.
func Reconcile(ctx context.Context, db storage.DB, log storage.Log) (Report, error) {
	head, oldest := log.Head(), log.Oldest()
	h, err := historyOf(ctx, db, head.Seq)
	if err != nil {
		return Report{}, err
	}
	r := Report{Epoch: h.epoch, Floor: h.floor, Head: head.Seq, Outbox: h.top}
	switch {
	case head.Epoch == 0:
		r.Found, r.Rebuild = "there is no log", true
		return r, reset(ctx, log, h.epoch, h.floor)
	case head.Epoch != h.epoch:
		r.Found = fmt.Sprintf("the log is of epoch %d, the store of %d", head.Epoch, h.epoch)
	case head.Seq > h.top:
		r.Found = "the log is ahead of the store"
	case head.Seq < h.floor:
		r.Found = "announcements the log has not seen are trimmed"
	default:
		same, err := agrees(ctx, log, h.probe, oldest.Seq)
		if err != nil {
			return r, err
		}
		if same {
			r.Found = "store and log agree"
			return r, trimTo(ctx, log, h.floor)
		}
		r.Found = fmt.Sprintf("store and log differ at %d", h.probe.Position)
	}
	r.NewEpoch, r.Rebuild = true, true
	if r.Epoch, err = drawEpoch(ctx, db, h.epoch, head.Epoch); err != nil {
		return r, err
	}
	return r, reset(ctx, log, r.Epoch, h.floor)
}

// Rebuild drops the log's content and fills it again from the outbox, under the same epoch, positions and ids. It is
// for a stopped server: nobody may read or append meanwhile. It returns how many entries were copied. An entry that
// cannot be understood ends it; the server, started, sets that entry aside and goes on.
func Rebuild(ctx context.Context, db storage.DB, log storage.Log) (int, error) {
	h, err := historyOf(ctx, db, 0)
	if err != nil {
		return 0, err
	}
	if err := reset(ctx, log, h.epoch, h.floor); err != nil {
		return 0, err
	}
	for n := 0; ; {
		c, err := copyBatch(ctx, db, log)
		n += c.entries
		if err != nil || !c.more {
			return n, err
		}
	}
}

func reset(ctx context.Context, log storage.LogKeeper, epoch uint32, floor social.Position) error {
	if err := log.Reset(ctx, epoch, floor); err != nil {
		return fmt.Errorf("outbox: reset the log to epoch %d: %w", epoch, err)
	}
	return nil
}

// historyOf reads what the store says, in one snapshot.
func historyOf(ctx context.Context, db storage.DB, head social.Position) (h history, err error) {
	err = db.Read(ctx, func(q storage.Querier) error {
		h = history{}
		err := q.QueryRow(ctx, `SELECT epoch, floor, (SELECT COALESCE(MAX(id), 0) FROM outbox) FROM log_state
			WHERE id = 1`).Scan(&h.epoch, &h.floor, &h.top)
		if err != nil {
			return err
		}
		h.top = max(h.top, h.floor)
		r, err := scanRow(q.QueryRow(ctx, `SELECT `+rowColumns+` FROM outbox
			WHERE id <= $1 AND op = 1 AND set_aside_at IS NULL ORDER BY id DESC LIMIT 1`, int64(head)))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if e, err := r.entry(); err == nil {
			h.probe = e
		}
		return err
	})
	if err != nil {
		return h, fmt.Errorf("outbox: state of the log: %w", err)
	}
	return h, nil
}

// agrees looks whether the log holds the probe at its position. It sees a store that was put back to an older copy
// and has gone on since.
func agrees(ctx context.Context, log storage.LogReader, probe storage.Entry, floor social.Position) (bool, error) {
	if probe.Position <= floor {
		return true, nil
	}
	e, ok, err := log.At(ctx, probe.Position)
	var gap *social.GapError
	if errors.As(err, &gap) {
		return true, nil // damaged: it tells nothing
	} else if err != nil {
		return false, fmt.Errorf("outbox: compare at %d: %w", probe.Position, err)
	}
	return ok && e.Stream == probe.Stream && e.Type == probe.Type && e.Time == probe.Time, nil
}

// trimTo brings the log's floor up to the store's: what is no longer announced is no longer shown.
func trimTo(ctx context.Context, log storage.LogKeeper, floor social.Position) error {
	for log.Oldest().Seq < floor {
		if _, err := log.Trim(ctx, floor, trimRows); err != nil {
			return fmt.Errorf("outbox: trim the log to %d: %w", floor, err)
		}
	}
	return nil
}

// drawEpoch records a random epoch other than those given. Counting up would repeat itself after the same copy of the
// store is put back twice.
func drawEpoch(ctx context.Context, db storage.DB, not ...uint32) (uint32, error) {
	var epoch uint32
	for epoch == 0 || slices.Contains(not, epoch) {
		var b [4]byte
		rand.Read(b[:]) // never fails (crypto/rand)
		epoch = binary.BigEndian.Uint32(b[:])
	}
	err := db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE log_state SET epoch = $1 WHERE id = 1`, int64(epoch))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("outbox: new epoch: %w", err)
	}
	return epoch, nil
}
