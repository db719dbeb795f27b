package app

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// settle hands back what only the start has needed: the pages of the program's own file, nearly all of which the
// start touches (tables of the runtime, of SQLite, of the document). They are clean and stay in the page cache;
// what serving needs comes back by a minor fault each, about half of them. Called once, when the server is ready.
//
// It measures nothing and changes nothing but the resident size, so every failure is passed over.
func settle() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if from, to, ok := ownPages(s.Text(), self); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// ownPages reads a line of /proc/self/maps: the bounds of a mapping of the file self that cannot be written.
func ownPages(line, self string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) != 6 || f[5] != self || f[1][0] != 'r' || f[1][1] != '-' {
		return 0, 0, false
	}
	low, high, _ := strings.Cut(f[0], "-")
	a, errA := strconv.ParseUint(low, 16, 64)
	b, errB := strconv.ParseUint(high, 16, 64)
	return uintptr(a), uintptr(b), errA == nil && errB == nil && a < b
}
