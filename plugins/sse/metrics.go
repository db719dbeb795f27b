package sse

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Why connections ended, beside the reasons of bye.
const (
	endedByPeer = "peer"  // the client left, or its machine vanished
	endedStuck  = "stuck" // took nothing while data waited
	endedPanic  = "panic"
)

// metrics are the channel's figures; the host puts belfry_ before their names. None has a label that names a person.
type metrics struct {
	connections, people, kept, tail           prometheus.Gauge
	blocks, bytes, questions, pages, failures prometheus.Counter
	ended, gaps                               *prometheus.CounterVec
	all                                       []prometheus.Collector

	// Taken by the kernel since the last flush; the hub's goroutine owns them.
	bytesOut, blocksOut int
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Subsystem: "sse", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Subsystem: "sse", Name: name, Help: help})
	}
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Subsystem: "sse", Name: name, Help: help}, []string{"reason"})
	}
	m := &metrics{
		connections: gauge("connections", "Open streams."),
		people:      gauge("people", "People with an open stream."),
		kept:        gauge("people_kept", "People whose last stream ended a moment ago and whose audience is kept."),
		tail:        gauge("tail_bytes", "Memory of the newest events."),
		blocks:      counter("blocks_total", "Blocks the kernel has taken, heartbeats among them."),
		bytes:       counter("bytes_total", "Bytes the kernel has taken."),
		questions:   counter("questions_total", "Questions to the store about what people read."),
		pages:       counter("catch_up_pages_total", "Reads of the log for streams behind the tail."),
		failures:    counter("failures_total", "Questions to the store or the log that failed."),
		ended: vec("ended_total",
			"Streams that ended: by a bye with its reason, by the client (peer), cut off (stuck, panic)."),
		gaps: vec("gaps_total", "Gaps that were told, by reason."),
	}
	for _, reason := range []string{string(plugins.ByeRestart), string(plugins.ByeMaxAge), string(plugins.ByeTooMany),
		string(plugins.ByeOverload), string(plugins.ByeRevoked), endedByPeer, endedStuck, endedPanic} {
		m.ended.WithLabelValues(reason) // so that the first one is seen to rise from 0
	}
	for _, reason := range []social.GapReason{social.GapExpired, social.GapEpoch, social.GapFuture, social.GapInvalid,
		social.GapDamaged} {
		m.gaps.WithLabelValues(string(reason))
	}
	m.all = []prometheus.Collector{m.connections, m.people, m.kept, m.tail, m.blocks, m.bytes, m.questions, m.pages,
		m.failures, m.ended, m.gaps}
	return m
}

// Describe and Collect make the figures one collector, so that all are registered or none.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(out)
	}
}

func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(out)
	}
}

// countWritten notes what the kernel took of a write.
func (m *metrics) countWritten(bytes, blocks int) {
	m.bytesOut += bytes
	m.blocksOut += blocks
}

// flush adds what was noted to the counters: one atomic addition for many writes.
func (m *metrics) flush() {
	if m.bytesOut > 0 {
		m.bytes.Add(float64(m.bytesOut))
		m.blocks.Add(float64(m.blocksOut))
		m.bytesOut, m.blocksOut = 0, 0
	}
}
