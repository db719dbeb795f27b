package machine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUOf is the CPU time a process has used, user and system, threads that have ended included.
func CPUOf(pid int) (time.Duration, error) {
	if pid <= 0 {
		return 0, errors.New("no process")
	}
	// The clock of another process has its id, inverted, above three bits of kind: linux/posix-timers.h,
	// MAKE_PROCESS_CPUCLOCK. 2 is the scheduler's, which counts nanoseconds.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// cpuHere is the CPU time of this process.
func cpuHere() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// MemoryOf reads the resident memory of a process.
func MemoryOf(pid int) (m Memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmHWM":
			m.Peak = kb << 10
		case "VmRSS":
			m.RSS = kb << 10
		case "RssAnon":
			m.Anonymous = kb << 10
		case "RssFile":
			m.File = kb << 10
		}
	}
	return m, nil
}

// writtenBy reads what a process has written in its life; proc(5), io. It is zero when that is not known.
func writtenBy(pid int) (w Written) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return w
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch name {
		case "wchar":
			w.Calls = n
		case "write_bytes":
			w.Disk = n
		}
	}
	return w
}

// resetPeak resets the peak of a process to its present memory; proc(5), clear_refs. Where that is not allowed the peak
// is that of the whole life of the process.
func resetPeak(pid int) {
	if pid > 0 {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}
