//go:build unix

package server

import (
	"math"
	"syscall"
)

// openFiles is how many descriptors the process may have; 0 = the system does not say.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
