package client

import "fmt"

// Checked is the result of comparing what arrived with what was sent. All counts but Deliveries must be 0.
type Checked struct {
	Deliveries int64    `json:"deliveries"`
	Lost       int64    `json:"lost"`
	Doubled    int64    `json:"doubled"`
	Disordered int64    `json:"out_of_order"`
	Stray      int64    `json:"not_theirs"`         // events for somebody else, or that nobody published
	Failed     int64    `json:"failed"`             // connections and requests that ended badly
	Examples   []string `json:"examples,omitempty"` // a few of them, in words
}

// maxExamples bounds the faults that a report describes.
const maxExamples = 8

// Fault keeps one fault in words for the report; the caller increments the counts.
func (c *Checked) Fault(format string, args ...any) {
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, fmt.Sprintf(format, args...))
	}
}

// Add adds the counts of a part of the run.
func (c *Checked) Add(o Checked) {
	c.Deliveries += o.Deliveries
	c.Lost += o.Lost
	c.Doubled += o.Doubled
	c.Disordered += o.Disordered
	c.Stray += o.Stray
	c.Failed += o.Failed
	c.Examples = append(c.Examples, o.Examples...)[:min(maxExamples, len(c.Examples)+len(o.Examples))]
}

// Faulty reports whether there was any fault.
func (c *Checked) Faulty() bool { return c.Lost+c.Doubled+c.Disordered+c.Stray+c.Failed > 0 }

// Differ counts the difference of a count from its wanted value as lost or stray.
func (c *Checked) Differ(got, want int, what string) {
	if got == want {
		return
	}
	c.Lost += int64(max(want-got, 0))
	c.Stray += int64(max(got-want, 0))
	c.Fault("%s: %d instead of %d", what, got, want)
}
