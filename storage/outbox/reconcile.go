package outbox

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Report tells what Reconcile found and did, for one line in the log.
type Report struct {
	Found   string        // in words: "store and log agree"
	Rebuild bool          // the log is empty and will be filled from the outbox by CatchUp
	Lost    bool          // there is something to announce, and no log or one of another history: the operator should know
	Log     social.Cursor // the log's head as it was found; zero = there is none
	Store   social.Kept   // what the log will hold
}

func (r Report) String() string {
	s := fmt.Sprintf("%s; log at %s, store at %s, floor %d", r.Found, r.Log, r.Store.Newest(), r.Store.Floor)
	if r.Rebuild {
		s += "; the log is filled from the outbox"
	}
	return s
}

// Reconcile makes log and store agree on one history. The host calls it once at start, before anything reads the log,
// and CatchUp after it; so it has the whole log. The store is the truth.
//
// The log is judged as a client is, by the id of its own head: since every run of the server gives positions under a
// number of its own, a log whose head this store has given holds a beginning of the store's history, whichever files
// were put back. It goes on from there. Any other log, and one that ends below the oldest announcement kept, is set
// aside and filled again under the same ids.
func Reconcile(ctx context.Context, db storage.DB, log storage.Log) (Report, error) {
	kept, err := storeKept(ctx, db)
	if err != nil {
		return Report{}, err
	}
	r := Report{Log: log.Head(), Store: kept}
	gap := kept.GapOf(r.Log)
	switch {
	case r.Log.IsZero():
		r.Found, r.Lost = "there is no log", kept.Head > 0
	case gap == nil:
		r.Found = "store and log agree"
		return r, trimTo(ctx, log, kept.Floor)
	case gap.Reason == social.GapExpired:
		r.Found, r.Lost = "announcements the log has not seen are trimmed", true
	case gap.Reason == social.GapFuture:
		r.Found, r.Lost = "the log is ahead of the store", true
	default:
		r.Found, r.Lost = "the log is of another history than the store", true
	}
	r.Rebuild = true
	return r, reset(ctx, log, kept)
}

// Rebuild drops the log's content and fills it again from the outbox, under the same positions and ids. It is
// for a stopped server: nobody may read or append meanwhile. It returns how many entries were copied. An entry that
// cannot be understood ends it; the server, started, sets that entry aside and goes on.
func Rebuild(ctx context.Context, db storage.DB, log storage.Log) (int, error) {
	kept, err := storeKept(ctx, db)
	if err != nil {
		return 0, err
	}
	if err := reset(ctx, log, kept); err != nil {
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

func reset(ctx context.Context, log storage.LogKeeper, kept social.Kept) error {
	if err := log.Reset(ctx, kept.Epochs, kept.Floor); err != nil {
		return fmt.Errorf("outbox: reset the log: %w", err)
	}
	return nil
}

// storeKept reads what the store says of the log, in one snapshot.
func storeKept(ctx context.Context, db storage.DB) (k social.Kept, err error) {
	err = db.Read(ctx, func(q storage.Querier) error {
		k = social.Kept{}
		err := q.QueryRow(ctx, `SELECT floor, (SELECT COALESCE(MAX(id), 0) FROM outbox) FROM log_state
			WHERE id = 1`).Scan(&k.Floor, &k.Head)
		if err != nil {
			return err
		}
		k.Head = max(k.Head, k.Floor)
		k.Epochs, err = allEpochs(ctx, q)
		return err
	})
	if err != nil {
		return k, fmt.Errorf("outbox: state of the log: %w", err)
	}
	return k, nil
}

// trimTo brings the log's floor up to the store's: what is no longer announced is no longer shown.
func trimTo(ctx context.Context, log storage.LogKeeper, floor social.Position) error {
	for log.Kept().Floor < floor {
		if _, err := log.Trim(ctx, floor, trimRows); err != nil {
			return fmt.Errorf("outbox: trim the log to %d: %w", floor, err)
		}
	}
	return nil
}
