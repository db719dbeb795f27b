package wire

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// duplicate gives a descriptor for the same connection that Go's poller does not know. It does not block, and is
// closed in child processes.
func duplicate(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	closed := raw.Control(func(original uintptr) { fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(closed, err)
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

// silence is how long the peer's machine has acknowledged nothing while bytes are on their way to it; 0 = none are, or
// the kernel does not say. Behind a closed window none are: the machine that closed it answers the kernel's probes.
// Those grow rarer than any limit, so the newest may have had no time yet, but the one before was to be answered.
func silence(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Unacked == 0 && info.Probes < 2 {
		return 0
	}
	return max(time.Duration(info.Last_ack_recv)*time.Millisecond, 1)
}

// giveUp has the kernel forget a connection that is being closed if its peer takes nothing for so long.
func giveUp(fd int, after time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
}

// unsent is how many bytes were written and not yet acknowledged; 0 if the kernel does not say.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
