package app

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryOfAContainer: a quarter of it, and 64 MiB at least, is left to what is not Go's; half is Go's in any case.
// Hashes take an eighth of that.
func TestMemoryOfAContainer(t *testing.T) {
	for _, tt := range []struct {
		container, want int64 // MiB
		hashes          int
	}{{64, 32, 1}, {128, 64, 1}, {256, 192, 1}, {512, 384, 2}, {1024, 768, 5}, {8192, 6144, 32}} {
		got := shareOf(tt.container << 20)
		if got.Go != tt.want<<20 || got.Container != tt.container<<20 || got.hashes(64) != tt.hashes {
			t.Errorf("%d MiB: %d MiB for Go and %d hashes, want %d and %d", tt.container, got.Go>>20, got.hashes(64), tt.want,
				tt.hashes)
		}
	}
	for cores, want := range map[int]int{1: 1, 2: 1, 3: 1, 8: 4} {
		if n := (memory{}).hashes(cores); n != want {
			t.Errorf("%d cores and no limit: %d hashes, want %d", cores, n, want)
		}
	}
}

// TestMemoryAsTheOperatorSays: GOMEMLIMIT goes before the container, also when it says that there is no limit.
func TestMemoryAsTheOperatorSays(t *testing.T) {
	was := debug.SetMemoryLimit(96 << 20)
	defer debug.SetMemoryLimit(was)
	if got := findMemory([]string{"GOMEMLIMIT=96MiB"}); got != (memory{Go: 96 << 20}) {
		t.Errorf("GOMEMLIMIT=96MiB: %+v", got)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if got := findMemory([]string{"GOMEMLIMIT=off"}); got != (memory{}) {
		t.Errorf("GOMEMLIMIT=off: %+v", got)
	}
}

// TestThreads: one more than cores for each hash, however often a process serves, unless the operator says how many.
func TestThreads(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	runtime.SetDefaultGOMAXPROCS()
	cores := runtime.GOMAXPROCS(0)
	for range 2 {
		hashes := memory{}.shareCores([]string{"HOME=/"})
		if got := runtime.GOMAXPROCS(0); hashes != max(1, cores/2) || got != cores+hashes {
			t.Errorf("%d threads for %d cores and %d hashes", got, cores, hashes)
		}
	}
	runtime.GOMAXPROCS(2)
	if hashes := (memory{}).shareCores([]string{"GOMAXPROCS=2"}); hashes != 1 || runtime.GOMAXPROCS(0) != 2 {
		t.Errorf("GOMAXPROCS=2: %d hashes and %d threads", hashes, runtime.GOMAXPROCS(0))
	}
}
