package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
	"github.com/belfry-social/belfry/storage/storagetest"
)

func TestContract(t *testing.T) {
	for name, cfg := range map[string]sqlite.Config{
		"grouped":   {},
		"ungrouped": {NoGroup: true},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.DB(t, func(t testing.TB) storage.DB {
				cfg := cfg
				cfg.Path, cfg.Synchronous = filepath.Join(t.TempDir(), sqlite.FileName), sqlite.SyncOff
				return open(t, cfg)
			})
		})
	}
}
