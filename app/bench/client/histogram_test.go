package client

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quantile is the value a sorted list has there, or less than 0.8 % more.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 300).Draw(t, "durations")
		var h, other Histogram
		for i, v := range list {
			if i%3 == 0 {
				other.Add(time.Duration(v))
			} else {
				h.Add(time.Duration(v))
			}
		}
		h.Merge(&other)
		slices.Sort(list)
		for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
			rank := max(1, int(math.Ceil(q*float64(len(list)))))
			want, got := list[rank-1], int64(h.Quantile(q))
			if got < want || float64(got) > float64(want)*1.008+1 {
				t.Fatalf("quantile %g is %d, want %d", q, got, want)
			}
		}
		if h.N() != len(list) || int64(h.Quantile(1)) != list[len(list)-1] {
			t.Fatalf("%d durations, the largest %s", h.N(), h.Quantile(1))
		}
	})
}

func TestHistogramEdges(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Errorf("an empty one says %s", h.Quantile(0.5))
	}
	h.Add(-time.Second)
	h.Add(math.MaxInt64)
	if h.Quantile(0.5) != 0 || h.Quantile(1) != math.MaxInt64 {
		t.Errorf("quantiles %d and %d", h.Quantile(0.5), h.Quantile(1))
	}
	for v := uint64(1); v < 1<<62; v += v/2 + 1 {
		if i := bucket(v); upper(i) < time.Duration(v) || (i > 0 && upper(i-1) >= time.Duration(v)) {
			t.Fatalf("%d is in counter %d, which ends at %d", v, i, upper(i))
		}
	}
}
