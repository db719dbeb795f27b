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
		"grouped":   {}, // and synced
		"ungrouped": {Synchronous: sqlite.SyncOff, NoGroup: true},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.DB(t, func(t testing.TB) storage.DB {
				cfg := cfg
				cfg.Path = filepath.Join(t.TempDir(), sqlite.FileName)
				return open(t, cfg)
			})
		})
	}
}
