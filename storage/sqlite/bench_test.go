package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// BenchmarkInTx measures durable transactions per second: one act is one row of about 200 bytes with an order key
// and one outbox row. The bars: 64 writers grouped at least 5 times 64 ungrouped; one writer at least 0.95 of
// ungrouped.
func BenchmarkInTx(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		for _, mode := range []string{"grouped", "ungrouped"} {
			b.Run(fmt.Sprintf("%s/writers=%d", mode, writers), func(b *testing.B) {
				db := open(b, sqlite.Config{Path: filepath.Join(b.TempDir(), "b.db"), NoGroup: mode == "ungrouped"})
				migrate(b, db, acts)
				b.ResetTimer()
				share(b.N, writers, func() {
					if err := db.InTx(b.Context(), act(b.Context())); err != nil {
						b.Error(err)
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
			})
		}
	}
}

// BenchmarkRead measures one snapshot with one and with three small queries.
func BenchmarkRead(b *testing.B) {
	db := open(b, sqlite.Config{Path: filepath.Join(b.TempDir(), "b.db")})
	migrate(b, db, acts)
	for range 1000 {
		if err := db.InTx(b.Context(), act(b.Context())); err != nil {
			b.Fatal(err)
		}
	}
	for _, queries := range []int{0, 1, 3} {
		b.Run(fmt.Sprintf("queries=%d", queries), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					err := db.Read(b.Context(), func(q storage.Querier) error {
						for range queries {
							rows, err := q.Query(b.Context(), `SELECT key, body FROM acts WHERE key < $1 ORDER BY key DESC LIMIT 20`, 700)
							if err != nil {
								return err
							}
							var key int64
							var body []byte
							for rows.Next() {
								if err := rows.Scan(&key, &body); err != nil {
									return err
								}
							}
							if err := rows.Close(); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
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
	person = modules.ID{15: 1}
)

// act is what the benchmarks do in a transaction.
func act(ctx context.Context) func(tx storage.Tx) error {
	return func(tx storage.Tx) error {
		key, err := tx.NextKey(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO acts (id, key, body) VALUES ($1, $2, $3)`, modules.NewID(), key, body); err != nil {
			return err
		}
		_, err = outbox.Add(ctx, tx, outbox.Announcement{Stream: modules.Stream{Kind: modules.By, User: person}, Type: "post.created", Actor: person, Data: body})
		return err
	}
}
