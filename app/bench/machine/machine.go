package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Description is the machine, disk and program that figures belong to.
type Description struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	System     string  `json:"system"`
	Go         string  `json:"go"`
	Filesystem string  `json:"filesystem"`
	SyncMicros float64 `json:"fsync_us"` // one write of 4 KiB made durable, median
	Load       string  `json:"load"`     // averages of 1, 5 and 15 minutes before the run
	Date       string  `json:"date"`
	Version    string  `json:"version"`
}

// Describe reads the description of this machine and measures the disk under dir.
func Describe(dir, version string) (Description, error) {
	m := Description{CPU: cpuName(), Cores: runtime.NumCPU(), Go: runtime.Version(), Version: version,
		System:     runtime.GOOS + " " + firstField("/proc/sys/kernel/osrelease", 1),
		Filesystem: filesystemOf(dir), Load: firstField("/proc/loadavg", 3), Date: time.Now().UTC().Format(time.RFC3339)}
	sync, err := syncLatency(dir)
	m.SyncMicros = float64(sync) / float64(time.Microsecond)
	return m, err
}

// String is two lines for people.
func (m Description) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, %s, one fsync %.0f us\n%s, version %s, load before %s",
		m.CPU, m.Cores, m.System, m.Go, m.Filesystem, m.SyncMicros, m.Date, m.Version, m.Load)
}

// syncLatency is the median of 100 single writes made durable.
func syncLatency(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "belfry-bench-sync-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	page := make([]byte, 4096)
	took := make([]time.Duration, 100)
	for i := range took {
		began := time.Now()
		if _, err := f.WriteAt(page, int64(i%16)*4096); err != nil {
			return 0, err
		}
		if err := dataSync(f); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func cpuName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

// firstField gives the first n words of a file, "" if there is none.
func firstField(name string, n int) string {
	text, _ := os.ReadFile(name)
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}

// filesystemOf names the type of file system a directory is on, as the kernel's table of mounts has it.
func filesystemOf(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "?"
	}
	text, _ := os.ReadFile("/proc/self/mounts")
	best, kind := "", "?"
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 3 || len(words[1]) < len(best) {
			continue
		}
		if words[1] == "/" || dir == words[1] || strings.HasPrefix(dir, words[1]+"/") {
			best, kind = words[1], words[2]
		}
	}
	return kind
}
