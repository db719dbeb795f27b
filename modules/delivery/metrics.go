package delivery

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
)

// Figures are how the channels do and what becomes of deliveries. The host registers them, with belfry_ before their
// names, once all channels are attached.
func (s *Service) Figures() []prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("channel_"+name, help, append([]string{"channel"}, labels...), nil)
	}
	return []prometheus.Collector{s.Pipeline.Figures(), &conduct{s: s,
		state: desc("state", "1 for the state a channel is in; ok is the good one, open a rest after failures.",
			"state"),
		running:  desc("calls_running", "Calls of the channel that have not returned."),
		failures: desc("failures_total", "Calls that panicked or did not return in time."),
		rests:    desc("rests_total", "Times the breaker opened after failures in a row."),
	}}
}

// conduct shows the health of each channel.
type conduct struct {
	s                               *Service
	state, running, failures, rests *prometheus.Desc
}

func (c *conduct) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.state, c.running, c.failures, c.rests} {
		out <- d
	}
}

func (c *conduct) Collect(out chan<- prometheus.Metric) {
	for _, ch := range c.s.channels {
		h, n := ch.Health(), ch.Counts()
		show := func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, t, value, append([]string{h.Name}, labels...)...)
		}
		for _, state := range dispatch.States {
			is := 0.0
			if state == h.State {
				is = 1
			}
			show(c.state, prometheus.GaugeValue, is, state)
		}
		show(c.running, prometheus.GaugeValue, float64(h.Busy))
		show(c.failures, prometheus.CounterValue, float64(n.Failures))
		show(c.rests, prometheus.CounterValue, float64(n.Rests))
	}
}
