package outbox_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/outbox"
)

// BenchmarkRebuild fills an empty log from 200,000 announcements of 10,000 people.
func BenchmarkRebuild(b *testing.B) {
	const rows = 200_000
	db := openStore(b)
	err := db.InTx(context.Background(), func(tx storage.Tx) error {
		_, err := tx.Exec(context.Background(), `INSERT INTO outbox (op, stream, type, about, time, data)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			SELECT 1, CAST(char(1 + i % 2) || printf('%016d', (i * 7919) % 10000) AS BLOB), 'notification',
				randomblob(16), i, CAST('"' || hex(zeroblob(100)) || '"' AS BLOB) FROM n`, rows)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	l, err := bolt.Open(bolt.DefaultConfig(filepath.Join(b.TempDir(), "events.bolt")))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for b.Loop() {
		if n, err := outbox.Rebuild(b.Context(), db, l); err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "entries/s")
}
