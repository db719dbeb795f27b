package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/belfry-social/belfry/modules/social"
)

// NewRegistry makes the registry behind /metrics, with the figures of the process and of Go's runtime. Nothing is
// ever put into Prometheus' own default registry.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// unmatched is the route label of requests that met no route; their paths are the client's to invent.
const unmatched = "unmatched"

// serverMetrics counts requests. Labels come from closed sets: routes as registered, known methods, classes of
// status ("2xx"), codes of problems.
type serverMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
	refused  *prometheus.CounterVec
	dropped  prometheus.Counter

	displaced, turnedAway prometheus.Counter
}

func newServerMetrics(r prometheus.Registerer, connections, expires func() float64) *serverMetrics {
	m := &serverMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_http_requests_total", Help: "Requests answered.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "belfry_http_request_seconds",
			Help:    "Time from the first handler to the answer; long polls and opening streams included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60},
		}, []string{"method", "route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "belfry_http_requests_running", Help: "Requests being worked on.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_http_refused_total", Help: "Requests refused before they met a route, by code of the problem.",
		}, []string{"code"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "belfry_http_connections_dropped_total",
			Help: "New connections closed without an answer: no descriptor or no place was left.",
		}),
		displaced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "belfry_http_connections_displaced_total",
			Help: "Waiting connections closed to make room for new ones.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "belfry_http_connections_turned_away_total",
			Help: "Requests refused because their connection had no place.",
		}),
	}
	for _, code := range []social.Code{social.CodeBadRequest, social.CodeRequestTimeout, social.CodeBodyTooLarge,
		social.CodeHeadersTooLarge} {
		m.refused.WithLabelValues(string(code)) // so that the first one is seen to rise from 0
	}
	r.MustRegister(m.requests, m.seconds, m.running, m.refused, m.dropped, m.displaced, m.turnedAway)
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "belfry_http_connections", Help: "Open connections, event streams not counted.",
	}, connections), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "belfry_tls_certificate_expires_seconds",
		Help: "Unix time at which the certificate ends, of several the first; 0 without TLS or while there is none.",
	}, expires))
	return m
}

func (m *serverMetrics) answered(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status/100)+"xx").Inc()
	m.seconds.WithLabelValues(method, route).Observe(took.Seconds())
}
