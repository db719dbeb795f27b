package app

import (
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// figures are what /metrics tells of the program itself and of its stores, read when they are asked for. What belongs
// to the stores is left out until everything runs.
type figures struct {
	stores *stores
	ready  *server.Readiness
	build  []string // values of the labels of build_info

	info, isReady, check          *prometheus.Desc
	lag, relayed, setAside        *prometheus.Desc
	logUsed, logHead, logFloor    *prometheus.Desc
	fileBytes, diskFree, diskSize *prometheus.Desc
	all                           []*prometheus.Desc
}

// storeFiles are the files whose size is told.
var storeFiles = []string{sqlite.FileName, sqlite.FileName + "-wal", logFile}

func newFigures(s *stores, ready *server.Readiness) *figures {
	v := versionInfo()
	f := &figures{stores: s, ready: ready, build: []string{v["version"], v["revision"], v["go"]}}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc("belfry_"+name, help, labels, nil)
		f.all = append(f.all, d)
		return d
	}
	f.info = desc("build_info", "Always 1: the program that runs is in the labels.", "version", "revision", "goversion")
	f.isReady = desc("ready", "1 when /readyz is 200: requests may come.")
	f.check = desc("check_ok", "1 when a check of /readyz is well.", "check")
	f.lag = desc("outbox_lag_seconds", "Age of the oldest announcement that is not in the event log; 0 when none waits.")
	f.relayed = desc("outbox_relayed_total", "Announcements copied into the event log since the start.")
	f.setAside = desc("outbox_set_aside", "Announcements that could not be read and were set aside, also by earlier runs.")
	f.logUsed = desc("log_used_bytes", "Bytes of the event log in use; the file does not shrink.")
	f.logHead = desc("log_head_position", "Newest position of the event log.")
	f.logFloor = desc("log_floor_position", "Highest position that was trimmed from the event log.")
	f.fileBytes = desc("file_bytes", "Size of a file of the data directory.", "file")
	f.diskFree = desc("disk_free_bytes", "Room on the disk of the data directory that the server may use.")
	f.diskSize = desc("disk_size_bytes", "Size of the disk of the data directory.")
	return f
}

func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range f.all {
		out <- d
	}
}

func (f *figures) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(f.info, 1, f.build...)
	_, ok, results := f.ready.Report()
	gauge(f.isReady, one(ok))
	if free, size, ok := diskSpace(f.stores.cfg.Data); ok {
		gauge(f.diskFree, float64(free))
		gauge(f.diskSize, float64(size))
	}
	if !f.ready.Begun() {
		return
	}
	for _, r := range results {
		gauge(f.check, one(r.OK), r.Name)
	}
	st := f.stores.relay.Stats()
	gauge(f.lag, st.Lag.Seconds())
	gauge(f.setAside, float64(st.Quarantined))
	out <- prometheus.MustNewConstMetric(f.relayed, prometheus.CounterValue, float64(st.Applied))
	log := f.stores.log
	gauge(f.logUsed, float64(log.Size()))
	gauge(f.logHead, float64(log.Head().Seq))
	gauge(f.logFloor, float64(log.Kept().Oldest().Seq))
	for _, name := range storeFiles {
		if info, err := os.Stat(filepath.Join(f.stores.cfg.Data, name)); err == nil {
			gauge(f.fileBytes, float64(info.Size()), name)
		}
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
