package bolt_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	storagetest.Log(t, func(t testing.TB, dir string) storage.Log {
		l, err := bolt.Open(bolt.DefaultConfig(filepath.Join(dir, "events.bolt")))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.SetAside(); err != nil {
			t.Fatal(err)
		}
		return l
	})
}
