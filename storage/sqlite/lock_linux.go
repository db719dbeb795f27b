package sqlite

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// network are the file systems on which locks and shared memory do not hold (statfs(2)).
var network = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
}

var errReadOnlyDir = errors.New("its file system is mounted read-only; mount it for writing or name another directory")

func checkFileSystem(dir string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return err
	}
	if stat.Flags&unix.ST_RDONLY != 0 {
		return errReadOnlyDir
	}
	return checkType(int64(stat.Type)) //nolint:unconvert // 32 bits wide on some machines
}

// freeSpace is what an account without privileges may still write.
func freeSpace(dir string) (bytes uint64, known bool, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false, fmt.Errorf("room in %s: %w", dir, err)
	}
	block := uint64(stat.Bsize)                      //nolint:gosec // the size of a block
	return stat.Bavail * block, stat.Blocks > 0, nil // no blocks: a file system without a bound
}

func checkType(kind int64) error {
	if name, ok := network[kind]; ok {
		return fmt.Errorf("it is on a network file system (%s), where locks do not hold; name a directory on a local disk",
			name)
	}
	return nil
}
