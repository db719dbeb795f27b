package wire

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// setOptions bounds what the kernel holds back of a slow client, and how long it waits for a vanished peer.
// Without them such a client is only noticed later, so errors are passed over.
func setOptions(c *net.TCPConn, cfg Config) {
	_ = c.SetWriteBuffer(cfg.SendBuffer)
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.PeerTimeout.Milliseconds()))
		})
	}
}

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

// unsent is how many bytes were written and not yet acknowledged; 0 if the kernel does not say.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
