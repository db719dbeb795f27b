package machine

import "time"

// Usage is what a stretch of a run took.
type Usage struct {
	Took           time.Duration
	Client, Server time.Duration // CPU
	Known          bool          // the server's process is known; else Server, Peak and Written are 0
	Peak           int64         // resident bytes of the server at most; of its whole life where no reset is allowed
	Written        Written       // by the server; zero where a system does not tell
}

// Memory is the resident memory of a process in bytes.
type Memory struct {
	RSS, Anonymous, File, Peak int64
}

// Written is what a process has written, in bytes.
type Written struct {
	// Calls is what was handed to write calls, for files and sockets alike. What is written through a mapping of a
	// file is not in it.
	Calls int64
	// Disk is what the kernel counts as sent to the disk: whole pages, and on some file systems far more than was
	// changed, because a group of pages counts as one.
	Disk int64
}

// Stretch measures from its making to its end.
type Stretch struct {
	pid            int
	began          time.Time
	client, server time.Duration
	written        Written
}

// Measure begins to measure; End of what it returns gives the usage since. The peak of the process is reset.
func Measure(pid int) *Stretch {
	resetPeak(pid)
	m := &Stretch{pid: pid, written: writtenBy(pid)}
	m.server, _ = CPUOf(m.pid)
	m.client = cpuHere()
	m.began = time.Now()
	return m
}

// End gives what was used since Measure. It may be called more than once.
func (m *Stretch) End() Usage {
	u := Usage{Took: time.Since(m.began), Client: cpuHere() - m.client}
	server, err := CPUOf(m.pid)
	if err != nil {
		return u
	}
	u.Known, u.Server = true, server-m.server
	if mem, err := MemoryOf(m.pid); err == nil {
		u.Peak = mem.Peak
	}
	if w := writtenBy(m.pid); w.Calls > 0 {
		u.Written = Written{Calls: w.Calls - m.written.Calls, Disk: w.Disk - m.written.Disk}
	}
	return u
}
