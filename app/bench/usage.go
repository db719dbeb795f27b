package bench

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

// stretch measures from its making to its end.
type stretch struct {
	pid            int
	began          time.Time
	client, server time.Duration
}

// Measure begins to measure; End of what it returns gives the usage since. The server's peak begins anew.
func (b *Bench) Measure(s *Server) *stretch {
	resetPeak(s.PID())
	m := &stretch{pid: s.PID()}
	m.server, _ = cpuOf(m.pid)
	m.client = cpuHere()
	m.began = time.Now()
	return m
}

// End gives what was used since Measure. It may be called more than once.
func (m *stretch) End() Usage {
	u := Usage{Took: time.Since(m.began), Client: cpuHere() - m.client}
	if server, err := cpuOf(m.pid); err == nil {
		u.Known, u.Server = true, server-m.server
		if mem, err := memoryOf(m.pid); err == nil {
			u.Peak = mem.Peak
		}
	}
	return u
}
