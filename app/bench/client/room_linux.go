package client

import "syscall"

// littleRoom makes the receive buffer of a socket as small as the kernel allows.
func littleRoom(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048) })
}
