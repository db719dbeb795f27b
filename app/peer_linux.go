package app

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// ownOnly is a listener on a Unix socket that closes connections of other accounts than this process's and root's,
// whatever the modes of the file and its directories say. For one goroutine.
type ownOnly struct{ net.Listener }

func (l ownOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || mayCommand(c, os.Geteuid()) {
			return c, err
		}
		_ = c.Close()
	}
}

// mayCommand reports whether the process at the other end of a Unix socket is of an account, or root's.
func mayCommand(c net.Conn, account int) bool {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	var who *unix.Ucred
	var errCred error
	err = raw.Control(func(fd uintptr) { who, errCred = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && errCred == nil && (int(who.Uid) == account || who.Uid == 0)
}
