package bench

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress is one line on the terminal that is rewritten. Without a terminal nothing is written.
type progress struct {
	out io.Writer // nil = silent

	mu    sync.Mutex
	last  time.Time
	width int
}

// progressPause is the least time between two changes of the line, as writing costs CPU of the measured machine.
const progressPause = 200 * time.Millisecond

func newProgress(o Options) *progress {
	if !o.Terminal {
		return &progress{}
	}
	return &progress{out: o.Err}
}

func (p *progress) show(step string, done, of int) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last) < progressPause && (of == 0 || done < of) {
		return
	}
	p.last = now
	line := step
	if of > 0 {
		const bar = 30
		full := min(bar, bar*done/of)
		line = fmt.Sprintf("%-24s [%s%s] %d/%d", step, strings.Repeat("#", full), strings.Repeat(" ", bar-full), done, of)
	}
	p.write(line)
}

func (p *progress) clear() {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write("")
	_, _ = io.WriteString(p.out, "\r") // a terminal that is gone shows nothing
}

func (p *progress) write(line string) {
	_, _ = fmt.Fprintf(p.out, "\r%-*s", p.width, line)
	p.width = len(line)
}
