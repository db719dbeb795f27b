package app

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxSocketPath is the length of a socket's path that every system takes: 104 bytes with a zero at the end on the BSDs
// and macOS, 108 on Linux (unix(7)).
const maxSocketPath = 103

// withSocket calls use with an address of the socket at path. A longer path than a socket may have is gone through the
// open directory, which Linux alone allows.
func withSocket(path string, use func(address string) error) error {
	if strings.HasPrefix(path, "@") {
		path = "./" + path // else the name would be one of Linux's abstract sockets, which everybody may open
	}
	if err := socketFits(path); err != nil {
		return err
	}
	if len(path) <= maxSocketPath {
		return use(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // it was only looked at
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// socketFits reports a path that this system has no socket for.
func socketFits(path string) error {
	if len(path) <= maxSocketPath || runtime.GOOS == "linux" {
		return nil
	}
	return fmt.Errorf("%s: the path has %d bytes, a socket's may have %d on this system: choose a shorter storage.data",
		path, len(path), maxSocketPath)
}
