package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written is what this process has handed to write calls so far.
func written(t testing.TB) (n int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("no /proc/self/io here")
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("no wchar in %s", b)
	return 0
}

// BenchmarkWritten counts the bytes that small appends hand to write calls, on a log of 100,000 events.
func BenchmarkWritten(b *testing.B) {
	for _, group := range []int{1, 2, 8, 64} {
		b.Run(fmt.Sprint("group=", group), func(b *testing.B) {
			l := open(b, filepath.Join(b.TempDir(), "log"))
			fill(b, l, benchUsers, 100_000, 1000)
			before, n := written(b), 0
			for b.Loop() {
				fill(b, l, benchUsers, group, group)
				n++
			}
			b.ReportMetric(float64(written(b)-before)/float64(n)/1024, "KiB/append")
		})
	}
}
