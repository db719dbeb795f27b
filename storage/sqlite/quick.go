package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// IsCorrupt reports whether an error says that the file is no sound database any more.
func IsCorrupt(err error) bool {
	var code sqlite3.ExtendedErrorCode
	return errors.As(err, &code) && code.Code() == sqlite3.CORRUPT
}

// QuickCheck is Check without what each entry of an index stands for: it finds a file that was put together of parts
// of different age. It reads the whole file.
func (d *DB) QuickCheck(ctx context.Context) error {
	return d.Read(ctx, func(q storage.Querier) error {
		faults, err := storage.All(ctx, q, storage.One[string], `PRAGMA quick_check(3)`)
		if err != nil {
			return fmt.Errorf("sqlite: check %s: %w", d.cfg.Path, err)
		}
		if faults[0] != "ok" {
			text := strings.TrimPrefix(strings.Join(faults, "; "), "*** in database main ***\n")
			return errors.New(strings.ReplaceAll(text, "\n", "; "))
		}
		return nil
	})
}
