package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-social/belfry/storage"
)

// outcomes are the words an attempt may end with, as Attempt.Outcome lists them.
var outcomes = []string{outcomeOK, "http_status", "timeout", "connect", "tls", outcomeBlocked, "permanent",
	outcomeChannel}

const (
	outcomeOK      = "ok"
	outcomeBlocked = "blocked_address"
	outcomeChannel = "channel_error"
)

// countTime bounds what counting the waiting rows may take of whoever asks for the figures.
const countTime = time.Second

// figures are the pipeline's figures; the host puts belfry_ before their names. No label names a person or an endpoint.
type figures struct {
	p                                  *Pipeline
	attempts, retries, ended, disabled *prometheus.CounterVec
	putOff                             *prometheus.CounterVec
	seconds                            *prometheus.HistogramVec
	pending, due, under, owners        *prometheus.Desc
}

func newFigures(p *Pipeline) *figures {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Subsystem: "delivery", Name: name, Help: help},
			append([]string{"channel"}, labels...))
	}
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("delivery_"+name, help, append([]string{"channel"}, labels...), nil)
	}
	return &figures{p: p,
		attempts: counter("attempts_total", "Attempts made, by outcome.", "outcome"),
		retries:  counter("retries_total", "Attempts that were not the first of their delivery."),
		ended:    counter("ended_total", "Deliveries that succeeded, died (given up) or were cancelled.", "state"),
		disabled: counter("endpoints_disabled_total", "Endpoints that were switched off by what they answered.", "reason"),
		putOff: counter("put_off_total", "Times an endpoint with something due found no place for its attempt.",
			"reason"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: "delivery", Name: "attempt_seconds",
			Help: "Time that one attempt took.", Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"channel"}),
		pending: gauge("pending", "Deliveries that wait for an attempt, first or further."),
		due:     gauge("due", "Deliveries whose attempt could be made now."),
		under: gauge("open", "Attempts under way; endpoints that were slow lately, and new ones, are in the lane slow.",
			"lane"),
		owners: gauge("owners_waiting", "Owners of endpoints who wait for their turn or for a place."),
	}
}

// open makes every series of a channel, so that the first failure is seen to rise from 0.
func (f *figures) open(channel string) {
	for _, o := range outcomes {
		f.attempts.WithLabelValues(channel, o)
	}
	for _, state := range []string{stateSucceeded, stateDead, stateCancelled} {
		f.ended.WithLabelValues(channel, state)
	}
	for _, reason := range []string{disabledGone, disabledFailing} {
		f.disabled.WithLabelValues(channel, reason)
	}
	for _, reason := range []string{putOffSlow, putOffOwner, putOffTarget, putOffAddress} {
		f.putOff.WithLabelValues(channel, reason)
	}
	f.retries.WithLabelValues(channel)
	f.seconds.WithLabelValues(channel)
}

// made counts an attempt that has been recorded.
func (f *figures) made(channel, outcome string, a Attempt) {
	f.attempts.WithLabelValues(channel, outcome).Inc()
	f.seconds.WithLabelValues(channel).Observe(float64(a.DurationMS) / 1000)
	if a.Number > 1 {
		f.retries.WithLabelValues(channel).Inc()
	}
}

// over counts deliveries that have ended.
func (f *figures) over(channel, state string, n int64) {
	f.ended.WithLabelValues(channel, state).Add(float64(n))
}

func (f *figures) parts() []prometheus.Collector {
	return []prometheus.Collector{f.attempts, f.retries, f.ended, f.disabled, f.putOff, f.seconds}
}

func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, c := range f.parts() {
		c.Describe(out)
	}
	for _, d := range []*prometheus.Desc{f.pending, f.due, f.under, f.owners} {
		out <- d
	}
}

// Collect counts what waits in the store. When that cannot be told in time the two figures are left out.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	for _, c := range f.parts() {
		c.Collect(out)
	}
	if len(f.p.senders) == 0 {
		return
	}
	waiting, err := f.p.waiting()
	if err != nil {
		return
	}
	for name, s := range f.p.senders {
		show := func(d *prometheus.Desc, n int64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), append([]string{name}, labels...)...)
		}
		w := waiting[name]
		under, waits := s.shares.counts()
		show(f.pending, w.pending)
		show(f.due, w.due)
		show(f.under, int64(under.all-under.slow), "quick")
		show(f.under, int64(under.slow), "slow")
		show(f.owners, w.owners+int64(waits))
	}
}

// Figures are registered by the host.
func (p *Pipeline) Figures() prometheus.Collector { return p.figures }

type waiting struct{ pending, due, owners int64 }

// waiting counts the pending deliveries of each channel, by an index that has nothing else in it.
func (p *Pipeline) waiting() (out map[string]waiting, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), countTime)
	defer cancel()
	err = p.db.Read(ctx, func(q storage.Querier) error {
		out = map[string]waiting{}
		err := storage.Each(ctx, q, func(row storage.Row) error {
			var channel string
			var w waiting
			err := row.Scan(&channel, &w.pending, &w.due)
			out[channel] = w
			return err
		}, `SELECT e.channel, COUNT(*), SUM(CASE WHEN d.next_attempt_at <= $1 THEN 1 ELSE 0 END)
			FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id WHERE d.state = 'pending' GROUP BY e.channel`,
			int64(p.clock.Now()))
		if err != nil {
			return err
		}
		return storage.Each(ctx, q, func(row storage.Row) error {
			var channel string
			var owners int64
			err := row.Scan(&channel, &owners)
			w := out[channel]
			w.owners = owners
			out[channel] = w
			return err
		}, `SELECT channel, COUNT(*) FROM turns WHERE due_at <= $1 GROUP BY channel`, int64(p.clock.Now()))
	})
	return out, err
}

// known is an outcome as the API lists it: a word of a channel's own is not shown.
func known(outcome string) string {
	if slices.Contains(outcomes, outcome) {
		return outcome
	}
	return outcomeChannel
}
