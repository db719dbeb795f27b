package sse

import (
	"errors"

	"golang.org/x/sys/unix"
)

// setOptions bounds what the kernel hides from progress_timeout, and how long it waits for a vanished peer.
// Without them a stuck or dead client is only noticed later, so errors are passed over.
func setOptions(fd int, cfg Config) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, int(cfg.SendBuffer))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.PeerTimeout.Milliseconds()))
}

// writeNow writes what a non-blocking descriptor has room for: 0 and no error when it has none.
func writeNow(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Write(fd, p)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		default:
			return 0, err
		}
	}
}

// unsent is how many bytes were written and not yet acknowledged; 0 if the kernel does not say.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
