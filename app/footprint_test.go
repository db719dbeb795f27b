package app

import "testing"

func TestMemoryIsHandedBackOnceAfterABurst(t *testing.T) {
	var allocated uint64
	handed := 0
	f := &footprint{allocated: func() uint64 { return allocated }, handBack: func() { handed++ }}
	for i, step := range []struct {
		allocates uint64
		want      int // handed back by then
	}{
		{0, 0},
		{1 << 20, 0},  // quiet, and nothing to gain
		{50 << 20, 0}, // a burst
		{40 << 20, 0}, // still
		{1 << 20, 1},  // over
		{1 << 20, 1},
		{3 << 20, 1}, // a little all the time is no burst
		{3 << 20, 1},
		{3 << 20, 1},
		{3 << 20, 1},
		{3 << 20, 2}, // but adds up
		{0, 2},
	} {
		allocated += step.allocates
		if f.look(); handed != step.want {
			t.Fatalf("look %d: handed back %d times, want %d", i, handed, step.want)
		}
	}
}

func TestAllocatedBytesGrow(t *testing.T) {
	before := allocatedBytes()
	kept := make([]byte, 1<<20)
	if after := allocatedBytes(); after < before+uint64(len(kept)) {
		t.Errorf("%d bytes before and %d after one megabyte more", before, after)
	}
}
