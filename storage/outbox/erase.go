package outbox

import (
	"context"
	"slices"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// eraseRows bounds what one step of erasing looks at.
const eraseRows = 256

// EraseJob empties the announcements of erased people (theirs, to them, about them, up to the erase entry) and then
// has the log empty its records. Neither shows them any more when it begins: readers obey the erase entry itself. An
// erase entry whose walk has ended carries data; so what is still to be done survives a restart.
func EraseJob(db storage.DB, log storage.LogKeeper) social.Job {
	e := &eraser{db: db, log: log}
	return social.Job{Name: "outbox: erase", Every: time.Minute, Run: func(ctx context.Context) (bool, error) {
		more, err := e.step(ctx)
		return more, social.Wrap(err, "outbox: erase")
	}}
}

// eraser walks the outbox once for all who were erased before the walk began. Its place is in memory: after a restart
// it walks again, over rows that are empty already.
type eraser struct {
	db  storage.DB
	log storage.LogKeeper

	list []erased // nobody = no walk is under way
	at   int64    // walked up to here
}

// erased is an erase entry whose announcements have not been emptied yet.
type erased struct {
	id     int64
	person social.ID
}

func (e *eraser) step(ctx context.Context) (more bool, err error) {
	if len(e.list) == 0 {
		if err := e.begin(ctx); err != nil {
			return false, err
		}
	}
	if len(e.list) == 0 {
		n, err := e.log.Sweep(ctx, eraseRows)
		return n > 0, err
	}
	last := e.list[len(e.list)-1].id // the walk ends there
	through, ids, err := e.find(ctx, last)
	if err != nil {
		return false, err
	}
	if err := e.empty(ctx, ids, through == last); err != nil {
		return false, err
	}
	if e.at = through; through == last {
		e.list = nil
	}
	return true, nil
}

func (e *eraser) begin(ctx context.Context) error {
	e.at = 0
	return e.db.Read(ctx, func(q storage.Querier) (err error) {
		e.list, err = storage.All(ctx, q, func(row storage.Row) (x erased, err error) {
			err = row.Scan(&x.id, &x.person)
			return x, err
		}, `SELECT id, actor_id FROM outbox WHERE op = 3 AND data IS NULL AND set_aside_at IS NULL
			ORDER BY id LIMIT $1`, eraseRows)
		return err
	})
}

// find looks at the next rows that still have data, up to last, and picks those of the erased.
func (e *eraser) find(ctx context.Context, last int64) (through int64, ids []int64, err error) {
	err = e.db.Read(ctx, func(q storage.Querier) error {
		n, id := 0, int64(0)
		ids = nil
		err := storage.Each(ctx, q, func(row storage.Row) error {
			var stream, about []byte
			var actor social.ID
			err := row.Scan(&id, &stream, &actor, &about)
			if e.means(id, stream, actor, about) {
				ids = append(ids, id)
			}
			n++
			return err
		}, `SELECT id, stream, actor_id, about FROM outbox WHERE id > $1 AND id <= $2 AND op = 1 AND data IS NOT NULL
			ORDER BY id LIMIT $3`, e.at, last, eraseRows)
		if through = last; n == eraseRows {
			through = id
		}
		return err
	})
	return through, ids, err
}

// means reports whether a row is of a person who was erased behind it.
func (e *eraser) means(id int64, stream []byte, actor social.ID, about []byte) bool {
	s, _ := social.StreamOf(stream)
	people, _ := unpackAbout(about)
	people = append(people, s.User, actor)
	return slices.ContainsFunc(e.list, func(x erased) bool { return id <= x.id && slices.Contains(people, x.person) })
}

// empty empties announcements; with done it also notes on the erase entries that nothing is left.
func (e *eraser) empty(ctx context.Context, ids []int64, done bool) error {
	if len(ids) == 0 && !done {
		return nil
	}
	return e.db.InTx(ctx, func(tx storage.Tx) error {
		in, args := storage.In(nil, ids)
		if _, err := tx.Exec(ctx, `UPDATE outbox SET data = NULL WHERE id IN `+in, args...); err != nil || !done {
			return err
		}
		entries := make([]int64, len(e.list))
		for i, x := range e.list {
			entries[i] = x.id
		}
		in, args = storage.In([]any{[]byte(`"done"`)}, entries)
		_, err := tx.Exec(ctx, `UPDATE outbox SET data = $1 WHERE id IN `+in, args...)
		return err
	})
}
