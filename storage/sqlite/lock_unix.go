//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryLock takes the whole-file lock, which ends with the descriptor (flock(2)).
func tryLock(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errHeld
		default:
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func checkOwner(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && me != 0 && int(stat.Uid) != me {
		return fmt.Errorf("it belongs to account %d and this process runs as %d; run chown %d %s",
			stat.Uid, me, me, info.Name())
	}
	return nil
}

// noSpace are the answers of a full disk.
var noSpace = []error{syscall.ENOSPC, syscall.EDQUOT}
