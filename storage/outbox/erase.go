package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// eraseRows bounds what one step of erasing looks at.
const eraseRows = 256

// erased is an erase entry whose announcements have not been emptied yet.
type erased struct {
	id     int64
	person social.ID
}

// eraser walks the outbox once for all who were erased before the walk began. Its place is in memory: after a restart
// it walks again, over rows that are empty already.
type eraser struct {
	list []erased
	at   int64 // walked up to here
	last int64 // the walk ends here
}

// EraseJob empties the announcements of erased people (theirs, to them, about them, up to the erase entry) and then
// lets the log empty its records. Neither shows them any more when it begins: readers obey the erase entry itself. An
// erase entry whose walk has ended carries data; so what is still to be done survives a restart.
func (r *Relay) EraseJob() social.Job {
	var walk eraser
	return social.Job{Name: "outbox.erase", Every: time.Minute, Run: func(ctx context.Context) (bool, error) {
		more, err := r.erase(ctx, &walk)
		if err != nil {
			return false, fmt.Errorf("outbox: erase: %w", err)
		}
		return more, nil
	}}
}

func (r *Relay) erase(ctx context.Context, walk *eraser) (more bool, err error) {
	if len(walk.list) == 0 {
		if *walk, err = r.unerased(ctx); err != nil {
			return false, err
		}
	}
	if len(walk.list) == 0 {
		n, err := r.log.Sweep(ctx, eraseRows)
		return n > 0, err
	}
	through, ids, err := r.ofErased(ctx, walk)
	if err != nil {
		return false, err
	}
	if err := r.emptyRows(ctx, ids, walk, through >= walk.last); err != nil {
		return false, err
	}
	if walk.at = through; through >= walk.last {
		*walk = eraser{}
	}
	return true, nil
}

// unerased begins a walk.
func (r *Relay) unerased(ctx context.Context) (walk eraser, err error) {
	err = r.db.Read(ctx, func(q storage.Querier) error {
		walk = eraser{}
		rows, err := q.Query(ctx, `SELECT id, actor_id FROM outbox WHERE op = 3 AND data IS NULL AND set_aside_at IS NULL ORDER BY id LIMIT $1`, eraseRows)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var e erased
			if err := rows.Scan(&e.id, &e.person); err != nil {
				return err
			}
			walk.list, walk.last = append(walk.list, e), e.id
		}
		return rows.Err()
	})
	return walk, err
}

// ofErased looks at the next rows that still have data and picks those of the erased.
func (r *Relay) ofErased(ctx context.Context, walk *eraser) (through int64, ids []int64, err error) {
	err = r.db.Read(ctx, func(q storage.Querier) error {
		through, ids = walk.last, nil
		rows, err := q.Query(ctx, `SELECT id, stream, actor_id, about FROM outbox
			WHERE id > $1 AND id <= $2 AND op = 1 AND data IS NOT NULL ORDER BY id LIMIT $3`, walk.at, walk.last, eraseRows)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		n, id := 0, int64(0)
		for ; rows.Next(); n++ {
			var stream, about []byte
			var actor social.ID
			if err := rows.Scan(&id, &stream, &actor, &about); err != nil {
				return err
			}
			if walk.means(id, stream, actor, about) {
				ids = append(ids, id)
			}
		}
		if n == eraseRows {
			through = id
		}
		return rows.Err()
	})
	return through, ids, err
}

// means reports whether a row is somebody's who was erased behind it.
func (w *eraser) means(id int64, stream []byte, actor social.ID, about []byte) bool {
	s, _ := social.StreamOf(stream)
	people, _ := unpackAbout(about)
	people = append(people, s.User, actor)
	for _, e := range w.list {
		if id > e.id {
			continue
		}
		for _, p := range people {
			if p == e.person {
				return true
			}
		}
	}
	return false
}

// emptyRows empties announcements; with done it also notes on the erase entries that nothing is left.
func (r *Relay) emptyRows(ctx context.Context, ids []int64, walk *eraser, done bool) error {
	if len(ids) == 0 && !done {
		return nil
	}
	return r.db.InTx(ctx, func(tx storage.Tx) error {
		in, args := storage.In(nil, ids)
		if _, err := tx.Exec(ctx, `UPDATE outbox SET data = NULL WHERE id IN `+in, args...); err != nil || !done {
			return err
		}
		entries := make([]int64, len(walk.list))
		for i, e := range walk.list {
			entries[i] = e.id
		}
		in, args = storage.In([]any{[]byte(`"done"`)}, entries)
		_, err := tx.Exec(ctx, `UPDATE outbox SET data = $1 WHERE id IN `+in, args...)
		return err
	})
}
