package quota

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	refused     *prometheus.CounterVec
	rows, bytes prometheus.Counter
}

// newMetrics registers the figures; counted tells how many accounts have a counter. A nil registry keeps them to
// themselves.
func newMetrics(to prometheus.Registerer, counted func() int) metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "belfry", Name: name, Help: help}
	}
	m := metrics{
		refused: prometheus.NewCounterVec(counter("quota_refused_total",
			"Writes refused by a quota, and by the reserve of the disk."), []string{"policy"}),
		rows: prometheus.NewCounter(counter("quota_rows_total",
			"Rows that people and services wrote, deletions not counted.")),
		bytes: prometheus.NewCounter(counter("quota_bytes_total",
			"Bytes of the values that people and services wrote, deletions not counted.")),
	}
	accounts := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belfry", Name: "quota_accounts",
		Help: "Accounts and service tokens with a counter of what they wrote."}, func() float64 { return float64(counted()) })
	if to != nil {
		to.MustRegister(m.refused, m.rows, m.bytes, accounts)
	}
	for _, policy := range []string{BytesPerHour, BytesPerDay, RowsPerHour, RowsPerDay, ServiceBytesPerDay,
		MediaBytesPerDay,
		"disk_reserve"} {
		m.refused.WithLabelValues(policy)
	}
	return m
}
