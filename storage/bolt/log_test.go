package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContract runs the kit with postings that stay in memory until Close; and with memtables so small that flushes
// begin and are cut off everywhere, where the end of a log is a process death.
func TestContract(t *testing.T) {
	for name, tt := range map[string]struct {
		memtable int
		crash    bool
	}{
		"as shipped":             {bolt.DefaultConfig("x").Memtable, false},
		"each commit is flushed": {1, true},
		"flushes cut off":        {20, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Log(t, func(t testing.TB, dir string) storage.Log {
				cfg := bolt.DefaultConfig(filepath.Join(dir, "events.bolt"))
				cfg.Memtable = tt.memtable
				l, err := bolt.Open(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.SetAside(); err != nil {
					t.Fatal(err)
				}
				if tt.crash {
					return &crashing{Log: l, path: cfg.Path}
				}
				return l
			})
		})
	}
}

// crashing is a log whose end is a process death: the file stays as it was before Close.
type crashing struct {
	*bolt.Log
	path string
}

func (c *crashing) Close() error {
	content := make([]byte, bolt.Used(c.Log))
	f, err := os.OpenFile(c.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.ReadAt(content, 0)
	err = errors.Join(err, c.Log.Close())
	_, errWrite := f.WriteAt(content, 0)
	return errors.Join(err, errWrite, f.Close())
}
