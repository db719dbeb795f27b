package app

import (
	"math"
	"runtime"
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

// hashes is how many passwords are hashed at once, 19 MiB each: one for two cores, and no more than an eighth of the
// memory takes.
func (m memory) hashes(cores int) int {
	const one = 19 << 20
	most := max(1, cores/2)
	if m.Go == 0 {
		return most
	}
	return int(min(int64(most), max(1, m.Go/8/one)))
}

// shareCores gives Go a thread beyond the cores for each hash, so that the kernel divides the cores between hashes and
// requests, and returns how many hashes there may be at once. Go itself looks for requests late while each of its
// threads is in a hash or waits for a disk. GOMAXPROCS of the environment goes before it.
func (m memory) shareCores(environ []string) (hashes int) {
	if slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "GOMAXPROCS=") }) {
		return m.hashes(runtime.GOMAXPROCS(0))
	}
	runtime.SetDefaultGOMAXPROCS() // what an earlier server of this process has set is no core
	cores := runtime.GOMAXPROCS(0)
	hashes = m.hashes(cores)
	runtime.GOMAXPROCS(cores + hashes)
	return hashes
}
