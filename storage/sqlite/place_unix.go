//go:build unix

package sqlite

import (
	"fmt"
	"os"
	"syscall"
)

// Place tells one file from every other on this machine, a copy of it too: device and inode. "" = there is none.
func Place(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d", stat.Dev, stat.Ino)
}
