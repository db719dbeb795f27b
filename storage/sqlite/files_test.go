package sqlite

import (
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
)

// atomicFile is the library's database file on a file system with atomic writes (F2FS).
type atomicFile struct{ mainFile }

func (atomicFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_BATCH_ATOMIC | vfs.IOCAP_POWERSAFE_OVERWRITE
}

// TestNoBatchAtomicWrites: a file must not promise what its methods do not do. SQLite would begin an atomic write, be
// told that there is no such call, and fail the commit.
func TestNoBatchAtomicWrites(t *testing.T) {
	got := (&databaseFile{mainFile: atomicFile{}}).DeviceCharacteristics()
	if got != vfs.IOCAP_POWERSAFE_OVERWRITE {
		t.Errorf("the device characteristics are %#x", got)
	}
	var f any = &databaseFile{}
	if _, ok := f.(vfs.FileBatchAtomicWrite); ok {
		t.Error("atomic writes are there: then they may be promised")
	}
}
