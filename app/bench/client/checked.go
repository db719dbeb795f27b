package client

import "fmt"

// Checked counts what the events of a run were held against. Everything but Deliveries must be 0.
type Checked struct {
	Deliveries int64    `json:"deliveries"`
	Lost       int64    `json:"lost"`
	Doubled    int64    `json:"doubled"`
	Disordered int64    `json:"out_of_order"`
	Stray      int64    `json:"not_theirs"`         // events for somebody else, or that nobody published
	Failed     int64    `json:"failed"`             // connections and requests that ended badly
	Examples   []string `json:"examples,omitempty"` // a few of them, in words
}

// maxExamples bounds what is said of faults.
const maxExamples = 8

// Fault notes one fault in words; the counts are the caller's.
func (c *Checked) Fault(format string, args ...any) {
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, fmt.Sprintf(format, args...))
	}
}

// Add takes over the counts of a part of the run.
func (c *Checked) Add(o Checked) {
	c.Deliveries += o.Deliveries
	c.Lost += o.Lost
	c.Doubled += o.Doubled
	c.Disordered += o.Disordered
	c.Stray += o.Stray
	c.Failed += o.Failed
	c.Examples = append(c.Examples, o.Examples...)[:min(maxExamples, len(c.Examples)+len(o.Examples))]
}

// Faulty reports whether something was not as it must be.
func (c *Checked) Faulty() bool { return c.Lost+c.Doubled+c.Disordered+c.Stray+c.Failed > 0 }

// Differ notes how far a count is from what it has to be.
func (c *Checked) Differ(got, want int, what string) {
	if got == want {
		return
	}
	c.Lost += int64(max(want-got, 0))
	c.Stray += int64(max(got-want, 0))
	c.Fault("%s: %d instead of %d", what, got, want)
}
