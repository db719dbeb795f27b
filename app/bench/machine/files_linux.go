package machine

import "golang.org/x/sys/unix"

// OpenFiles lifts the limit of open files to what this process may have, and gives it.
func OpenFiles() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return limit.Cur, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
