package media

import "github.com/prometheus/client_golang/prometheus"

// figures count pictures. The host registers them, with belfry_ before their names.
type figures struct {
	seconds  prometheus.Histogram
	waiting  prometheus.Gauge
	made     prometheus.Counter
	rejected *prometheus.CounterVec
}

func newFigures() *figures {
	f := &figures{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "media_decode_seconds",
			Help:    "Time from the first pixel of a picture to its two files, without the wait for a turn.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10}}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "media_waiting",
			Help: "Pictures that wait for their turn to be decoded."}),
		made: prometheus.NewCounter(prometheus.CounterOpts{Name: "media_bytes_total",
			Help: "Bytes of files that were kept; what was removed since is not taken off."}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "media_rejected_total",
			Help: "Files refused: of no known type, damaged, of too many pixels, in need of too much memory or time."},
			[]string{"reason"}),
	}
	for _, reason := range []string{"type", "damaged", "pixels", "memory", "time"} {
		f.rejected.WithLabelValues(reason)
	}
	return f
}

// Figures are for the host to register.
func (s *Service) Figures() []prometheus.Collector {
	return []prometheus.Collector{s.figures.seconds, s.figures.waiting, s.figures.made, s.figures.rejected}
}
