package client

import (
	"math"
	"math/bits"
	"time"
)

// precision is the number of steps each power of two is cut into: a quantile is off by less than 0.8 %.
const precision = 128

// Histogram counts durations in a fixed 57 KB, however many there are, in the manner of HDR histograms: below 256 ns
// each nanosecond has its own counter, above that each power of two has 128. It is for one goroutine; Merge joins
// those of several. The zero Histogram is empty.
type Histogram struct {
	counts [(64 - 7) * precision]uint64
	n      uint64
	max    time.Duration
}

// Add counts one duration; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds everything other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// N is how many durations were counted.
func (h *Histogram) N() int { return int(h.n) }

// Quantile is the duration that the part q (0.99) of all did not exceed, rounded up to the step; 0 if there are
// none. Quantile(1) is the largest, exactly.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.n)))
	var below uint64
	for i, n := range h.counts {
		if below += n; below >= max(rank, 1) {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bucket gives the counter of a value: the position of its highest bit, and the 7 bits behind it.
func bucket(v uint64) int {
	if v < precision {
		return int(v)
	}
	shift := bits.Len64(v) - 8
	return (shift+1)*precision + int(v>>shift) - precision
}

// upper is the largest value of a counter.
func upper(i int) time.Duration {
	if i < precision {
		return time.Duration(i)
	}
	shift := i/precision - 1
	top := uint64(i%precision+precision+1)<<shift - 1
	return time.Duration(min(top, math.MaxInt64))
}
