package app

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// needAddresses is what is mapped: 4 GiB for the log at first, 256 MiB for each connection of SQLite, and Go's own.
const needAddresses = 8 << 30

// enoughAddresses refuses a limit of the address space under which mapping would fail later, in words that help nobody.
func enoughAddresses() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur >= needAddresses {
		return nil // an error = the system does not say
	}
	return fmt.Errorf("the address space is limited to %d MiB (ulimit -v), and files are mapped into %d MiB of it, which "+
		"are not memory: take that limit away (ulimit -v unlimited, LimitAS=infinity) and bound memory by a container or "+
		"MemoryMax",
		limit.Cur>>20, needAddresses>>20)
}
