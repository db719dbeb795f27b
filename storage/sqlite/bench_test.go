//go:build unix

package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// BenchmarkInTx measures durable transactions per second: one act is what a post does, a look at its author, a row
// of about 200 bytes in four indexes with an order key, a counter and one outbox row. The bars: 64 writers grouped
// at least 5 times 64 ungrouped; one writer at least 0.95 of ungrouped.
func BenchmarkInTx(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		for _, mode := range []string{"grouped", "ungrouped"} {
			b.Run(fmt.Sprintf("%s/writers=%d", mode, writers), func(b *testing.B) {
				var commits atomic.Int64
				db := benched(b, sqlite.Config{NoGroup: mode == "ungrouped", Failpoint: func(p sqlite.Point) error {
					if p == sqlite.PointCommit {
						commits.Add(1)
					}
					return nil
				}})
				commits.Store(0)
				measured(b, func() {
					share(b.N, writers, func() {
						if err := db.InTx(b.Context(), act(b.Context())); err != nil {
							b.Error(err)
						}
					})
				})
				b.ReportMetric(float64(b.N)/float64(commits.Load()), "acts/commit")
			})
		}
	}
}

// BenchmarkRead measures one snapshot with a point query by a unique index, alone and while somebody writes.
func BenchmarkRead(b *testing.B) {
	for _, mode := range []string{"alone", "beside a writer"} {
		b.Run(mode, func(b *testing.B) {
			db := benched(b, sqlite.Config{})
			for range 5000 {
				if err := db.InTx(b.Context(), act(b.Context())); err != nil {
					b.Fatal(err)
				}
			}
			measured(b, func() {
				share(b.N, 4, func() {
					if err := db.Read(b.Context(), look(b.Context(), person)); err != nil {
						b.Error(err)
					}
				})
			}, func() {
				if mode == "alone" {
					return
				}
				for range b.N / 10 { // a part of the reads, so that the figure does not depend on who is quicker
					if err := db.InTx(b.Context(), act(b.Context())); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkReadPage measures one snapshot with one and with three queries for twenty rows.
func BenchmarkReadPage(b *testing.B) {
	db := benched(b, sqlite.Config{})
	for range 1000 {
		if err := db.InTx(b.Context(), act(b.Context())); err != nil {
			b.Fatal(err)
		}
	}
	for _, queries := range []int{1, 3} {
		b.Run(fmt.Sprintf("queries=%d", queries), func(b *testing.B) {
			measured(b, func() {
				share(b.N, 2, func() {
					err := db.Read(b.Context(), func(q storage.Querier) error {
						for range queries {
							if err := page(b.Context(), q); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Error(err)
					}
				})
			})
		})
	}
}

func page(ctx context.Context, q storage.Querier) error {
	rows, err := q.Query(ctx, `SELECT key, id, author, body FROM acts WHERE key < $1 ORDER BY key DESC LIMIT $2`, 700, 20)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key int64
		var id, author social.ID
		var body string
		if err := rows.Scan(&key, &id, &author, &body); err != nil {
			return err
		}
	}
	return rows.Err()
}

// measured runs all parts beside each other and reports rate and processor time of an operation, kernel included.
func measured(b *testing.B, parts ...func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(part)
	}
	wg.Wait()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func share(n, workers int, do func()) {
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range (n + i) / workers {
				do()
			}
		})
	}
	wg.Wait()
}

var (
	body   = make([]byte, 200)
	person = social.ID{0: 1, 15: 1}
)

// benched is a store with a thousand people.
func benched(b *testing.B, cfg sqlite.Config) *sqlite.DB {
	cfg.Path = filepath.Join(b.TempDir(), "b.db")
	db := open(b, cfg)
	migrate(b, db, `CREATE TABLE people (id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, acts BIGINT NOT NULL)
			WITHOUT ROWID;
		CREATE TABLE acts (key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, author BLOB NOT NULL, body TEXT NOT NULL,
			at BIGINT NOT NULL);
		CREATE INDEX acts_author ON acts (author, key);
		CREATE INDEX acts_author_at ON acts (author, at, key);
		CREATE INDEX acts_at ON acts (at)`)
	err := db.InTx(b.Context(), func(tx storage.Tx) error {
		for i := range 1000 {
			id := social.ID{0: 1, 14: byte(i >> 8), 15: byte(i)}
			if _, err := tx.Exec(b.Context(), `INSERT INTO people (id, name, acts) VALUES ($1, $2, 0)`, id,
				fmt.Sprint("person", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// look is the question who somebody is.
func look(ctx context.Context, who social.ID) func(q storage.Querier) error {
	return func(q storage.Querier) error {
		var name string
		var acts int64
		return q.QueryRow(ctx, `SELECT name, acts FROM people WHERE id = $1`, who).Scan(&name, &acts)
	}
}

// act is what the benchmarks do in a transaction.
func act(ctx context.Context) func(tx storage.Tx) error {
	return func(tx storage.Tx) error {
		id := social.NewID()
		who := social.ID{0: 1, 14: id[14] & 3, 15: id[15]}
		if who[14] == 3 {
			who[15] %= 200
		}
		if err := look(ctx, who)(tx); err != nil {
			return err
		}
		key, err := tx.NextKey(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO acts (key, id, author, body, at) VALUES ($1, $2, $3, $4, $5)`, key, id, who,
			string(body), key)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE people SET acts = acts + 1 WHERE id = $1`, who); err != nil {
			return err
		}
		_, err = outbox.Add(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: who}, Type: "act.done",
			Actor: who, Object: id, Time: social.Time(key), Data: body})
		return err
	}
}
