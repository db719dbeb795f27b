package machine

import "time"

// Usage is what a stretch of a run took.
type Usage struct {
	Took           time.Duration
	Client, Server time.Duration // CPU
	Known          bool          // the server's process is known; else Server and Peak are 0
	Peak           int64         // resident bytes of the server at most; of its whole life where the kernel does not let us begin anew
}

// Memory is the resident memory of a process in bytes.
type Memory struct {
	RSS, Anonymous, File, Peak int64
}

// Stretch measures from its making to its end.
type Stretch struct {
	pid            int
	began          time.Time
	client, server time.Duration
}

// Measure begins to measure; End of what it returns gives the usage since. The server's peak begins anew.
func Measure(pid int) *Stretch {
	resetPeak(pid)
	m := &Stretch{pid: pid}
	m.server, _ = CPUOf(m.pid)
	m.client = cpuHere()
	m.began = time.Now()
	return m
}

// End gives what was used since Measure. It may be called more than once.
func (m *Stretch) End() Usage {
	u := Usage{Took: time.Since(m.began), Client: cpuHere() - m.client}
	if server, err := CPUOf(m.pid); err == nil {
		u.Known, u.Server = true, server-m.server
		if mem, err := MemoryOf(m.pid); err == nil {
			u.Peak = mem.Peak
		}
	}
	return u
}
