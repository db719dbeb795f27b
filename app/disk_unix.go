//go:build linux || darwin || freebsd

package app

import "golang.org/x/sys/unix"

// diskSpace tells what is free for this account on the disk of a directory, and the disk's size; false = not known.
func diskSpace(dir string) (free, size uint64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, false
	}
	block := uint64(s.Bsize) //nolint:gosec // the size of a block
	return uint64(max(0, s.Bavail)) * block, s.Blocks * block, true
}
