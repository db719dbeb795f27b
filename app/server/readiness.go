package server

import (
	"sync/atomic"
)

// The states of a server, as /readyz tells them.
const (
	stateStarting = "starting"
	stateReady    = "ready"
	stateDraining = "draining"
	stateDegraded = "degraded"
)

// Check is one thing a server needs, asked on each /readyz. Probe answers from memory and never waits; detail is
// for the operator and has no secrets. A failing check makes the server degraded: it goes on serving, with 200.
// If Fatal is set it is not able to serve, with 503.
type Check struct {
	Name  string
	Fatal bool
	Probe func() (detail string, err error)
}

// CheckResult is how a check went.
type CheckResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Readiness tells whether a server may be sent requests. It begins as starting; Ready and Drain move it on, and
// nothing moves it back. Safe for concurrent use.
type Readiness struct {
	ready, draining atomic.Bool
	checks          []Check
}

func NewReadiness(checks ...Check) *Readiness { return &Readiness{checks: checks} }

// Ready is called once everything runs and the relay has caught up.
func (r *Readiness) Ready() { r.ready.Store(true) }

// Begun reports that Ready was called: everything has been opened.
func (r *Readiness) Begun() bool { return r.ready.Load() }

// Drain is called first at shutdown.
func (r *Readiness) Drain() { r.draining.Store(true) }

// Report gives the state, whether requests may be sent (200, else 503), and every check.
func (r *Readiness) Report() (state string, ok bool, results []CheckResult) {
	state, ok = stateReady, true
	results = make([]CheckResult, 0, len(r.checks))
	for _, c := range r.checks {
		detail, err := c.Probe()
		if err != nil {
			detail, state = err.Error(), stateDegraded
			ok = ok && !c.Fatal
		}
		results = append(results, CheckResult{Name: c.Name, OK: err == nil, Detail: detail})
	}
	switch {
	case r.draining.Load():
		return stateDraining, false, results
	case !r.ready.Load():
		return stateStarting, false, results
	}
	return state, ok, results
}
