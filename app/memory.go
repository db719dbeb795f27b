package app

import (
	"math"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memory is what the process may use, in bytes.
type memory struct {
	Container int64 // the limit of its cgroup; 0 = none, or GOMEMLIMIT goes before it
	Go        int64 // what Go's runtime is to stay below; 0 = nobody set a limit
}

// outsideGo is what the process needs beside Go's memory: the program's own pages and the mapped log, SQLite, the
// kernel's share of sockets. Measured at 1,000 streams (docs/operations.md, "Memory").
const outsideGo = 64 << 20

// findMemory reads GOMEMLIMIT, else the limit of the cgroup; it changes nothing.
func findMemory(environ []string) memory {
	if slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "GOMEMLIMIT=") }) {
		if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
			return memory{Go: set}
		}
		return memory{} // GOMEMLIMIT=off
	}
	limit, err := memlimit.FromCgroup()
	if err != nil || limit == 0 || limit > math.MaxInt64 {
		return memory{} // there is no cgroup, or it has no limit
	}
	return shareOf(int64(limit))
}

// shareOf leaves a quarter of a container, and at least outsideGo, to the rest; half of it is Go's in any case.
func shareOf(container int64) memory {
	return memory{Container: container, Go: max(container-max(outsideGo, container/4), container/2)}
}

// hashes is how many passwords are hashed at once, 19 MiB each: an eighth of the memory; 0 = one for two cores.
func (m memory) hashes() int {
	if m.Go == 0 {
		return 0
	}
	const one = 19 << 20
	return int(max(1, m.Go/8/one))
}
