package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// dbReading are the cases about reading and values.
var dbReading = []dbCase{
	{"snapshot", "all statements of one Read see one state", snapshot},
	{"own work", "a transaction sees its own work, and no reader sees it before the commit", ownWork},
	{"no waiting", "Read does not wait for the writer", readBesideWriter},
	{"read only", "Read cannot write", readOnly},
	{"no rows", "a row that is not there is sql.ErrNoRows", noRows},
	{"values", "values come back as they were stored", values},
	{"many readers", "readers and writers at once see whole transactions only", manyReaders},
	{"sound", "Check finds nothing in a sound store", sound},
}

func snapshot(k *dbKit) {
	k.must(k.put("one"))
	k.must(k.Read(k.ctx, func(q storage.Querier) error {
		before, err := names(k.ctx, q)
		if err != nil {
			return err
		}
		written := make(chan error, 1)
		go func() { written <- k.put("two") }()
		if err := k.answer(written); err != nil {
			return err
		}
		after, err := names(k.ctx, q)
		if err == nil && len(after) != len(before) {
			k.broken("first %q, then %q", before, after)
		}
		return err
	}))
	k.wantNames("one", "two")
}

func ownWork(k *dbKit) {
	k.must(k.InTx(k.ctx, func(tx storage.Tx) error {
		if err := add(k.ctx, tx, "one"); err != nil {
			return err
		}
		own, err := names(k.ctx, tx)
		if err != nil {
			return err
		}
		if len(own) != 1 {
			k.broken("it sees %q of its own", own)
		}
		seen := make(chan []string, 1)
		go func() { seen <- k.names() }() // beside the transaction, as another request would
		select {
		case others := <-seen:
			if len(others) != 0 {
				k.broken("a reader sees %q before the commit", others)
			}
		case <-k.ctx.Done():
			k.broken("a reader waits for the writer")
		}
		return nil
	}))
	k.wantNames("one")
}

func readBesideWriter(k *dbKit) {
	release := k.hold()
	k.wantNames()
	release()
}

func readOnly(k *dbKit) {
	err := k.Read(k.ctx, func(q storage.Querier) error {
		if storage.Provisional(q) {
			k.broken("Read gives a Tx")
		}
		var id int64
		return q.QueryRow(k.ctx, `INSERT INTO kit_things (name) VALUES ('one') RETURNING id`).Scan(&id)
	})
	if err == nil {
		k.broken("an INSERT was answered nil")
	}
	k.wantNames()
	k.must(k.Healthy())
}

func noRows(k *dbKit) {
	var name string
	k.must(k.Read(k.ctx, func(q storage.Querier) error {
		if err := q.QueryRow(k.ctx, `SELECT name FROM kit_things`).Scan(&name); !isNoRows(err) {
			k.broken("Read gives %v", err)
		}
		return nil
	}))
	k.must(k.InTx(k.ctx, func(tx storage.Tx) error {
		if err := tx.QueryRow(k.ctx, `SELECT name FROM kit_things`).Scan(&name); !isNoRows(err) {
			k.broken("InTx gives %v", err)
		}
		return nil
	}))
	err := k.Read(k.ctx, func(q storage.Querier) error { _, err := names(k.ctx, q); return err })
	k.must(err)
}

func values(k *dbKit) {
	made := social.Time(1_740_830_400_123)
	text := "line\nanother\u2028 \U0001F514 'quoted' \"twice\""
	want := []part{{ID: social.NewID(), Made: &made, Flag: true}, {ID: social.NewID()}}
	large := bytes.Repeat([]byte{0, 1, 254, 255}, 64<<10)
	k.must(k.InTx(k.ctx, func(tx storage.Tx) error {
		if err := add(k.ctx, tx, text); err != nil {
			return err
		}
		for _, p := range want {
			flag := 0
			if p.Flag {
				flag = 1
			}
			if _, err := tx.Exec(k.ctx, `INSERT INTO kit_parts (thing, part, made, flag) VALUES ($1, $2, $3, $4)`, text, p.ID,
				p.Made, flag); err != nil {
				return err
			}
		}
		_, err := tx.Exec(k.ctx, `INSERT INTO kit_parts (thing, part) VALUES ($1, $2)`, text, large)
		return err
	}))
	k.must(k.Read(k.ctx, func(q storage.Querier) error {
		for _, p := range want { // one statement text, run with different values
			var got part
			var thing string
			if err := q.QueryRow(k.ctx, `SELECT thing, part, made, flag FROM kit_parts WHERE part = $1`, p.ID).Scan(&thing,
				&got.ID, &got.Made, &got.Flag); err != nil {
				return err
			}
			if thing != text || got.ID != p.ID || got.Flag != p.Flag || (got.Made == nil) != (p.Made == nil) ||
				(got.Made != nil && *got.Made != *p.Made) {
				k.broken("%q %+v came back as %q %+v", text, p, thing, got)
			}
		}
		var got []byte
		if err := q.QueryRow(k.ctx, `SELECT part FROM kit_parts WHERE length(part) > $1`, 16).Scan(&got); err != nil {
			return err
		}
		if !bytes.Equal(got, large) {
			k.broken("%d bytes came back as %d", len(large), len(got))
		}
		return nil
	}))
}

// manyReaders writes two rows in each transaction and reads all the while: a reader never sees an odd number.
func manyReaders(k *dbKit) {
	const writers, calls, readers = 4, 50, 8
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for j := range calls {
				err := k.InTx(k.ctx, func(tx storage.Tx) error {
					return errors.Join(add(k.ctx, tx, fmt.Sprint("a", i, ":", j)), add(k.ctx, tx, fmt.Sprint("b", i, ":", j)))
				})
				if err != nil {
					k.broken("InTx answered %v", err)
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for {
				err := k.Read(k.ctx, func(q storage.Querier) error {
					var first, second int
					if err := q.QueryRow(k.ctx, `SELECT count(*) FROM kit_things`).Scan(&first); err != nil {
						return err
					}
					list, err := names(k.ctx, q)
					second = len(list)
					if err == nil && (first%2 != 0 || first != second) {
						k.broken("a reader sees %d rows, then %d", first, second)
					}
					return err
				})
				if err != nil {
					k.broken("Read answered %v", err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	if got := len(k.names()); got != 2*writers*calls {
		k.broken("%d rows, want %d", got, 2*writers*calls)
	}
}

func sound(k *dbKit) {
	k.must(k.put("one"))
	k.must(k.Check(k.ctx))
	k.must(k.Healthy())
}
