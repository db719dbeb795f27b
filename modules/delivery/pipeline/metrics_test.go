package pipeline_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// A sender of which nothing succeeds is named, once in the log and for as long as it lasts in its health, though
// each failure by itself is the endpoint's; one success ends that.
func TestSenderThatOnlyFailsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		w := newWorld(t)
		w.zap = zap.New(core)
		p := postman{answer: func(plugins.Delivery) error { return errors.New("https://bot.example/?key=hunter2 is away") }}
		cfg := exact()
		cfg.Schedule = []time.Duration{time.Second}
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		for range 9 {
			me := social.NewID()
			w.endpoint(s, me)
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		settle()
		if h := s.Health()[0]; !h.OK() {
			t.Errorf("after 9 failures health is %+v", h)
		}
		time.Sleep(2 * time.Second)
		h := s.Health()[0]
		if h.State != "failing" || !strings.Contains(h.Detail, "18 attempts in a row") ||
			!strings.Contains(h.Detail, "channel_error") || strings.Contains(h.Detail, "hunter2") {
			t.Errorf("after 18 failures health is %+v", h)
		}
		if n := logs.FilterMessage("no attempt of the channel succeeds").Len(); n != 1 {
			t.Errorf("%d lines say that nothing succeeds, want 1", n)
		}
		for _, line := range []string{"delivery attempted", "delivery given up"} {
			if n := logs.FilterMessage(line).Len(); n != 9 {
				t.Errorf("%d lines say %q, want 9", n, line)
			}
		}
		p.answers(nil)
		me := social.NewID()
		w.endpoint(s, me)
		e, _ := w.notification(me, "like")
		w.append(e)
		settle()
		if h := s.Health()[0]; !h.OK() || logs.FilterMessage("the channel succeeds again").Len() != 1 {
			t.Errorf("after a success health is %+v", h)
		}
	})
}

// What only failed a day ago, and was asked nothing since, is no news.
func TestOldFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := postman{answer: func(plugins.Delivery) error { return plugins.Gone(errors.New("gone")) }}
		s := w.start(w.service(exact(), named{"hook", p.channel()}))
		for range 12 {
			me := social.NewID()
			w.endpoint(s, me)
			e, _ := w.notification(me, "like")
			w.append(e)
		}
		settle()
		if h := s.Health()[0]; h.OK() {
			t.Errorf("after 12 failures health is %+v", h)
		}
		time.Sleep(25 * time.Hour)
		if h := s.Health()[0]; !h.OK() {
			t.Errorf("a day later health is %+v", h)
		}
	})
}

// The figures tell what became of each attempt and each delivery, and what waits.
func TestFiguresOfDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var answer error
		p := postman{answer: func(plugins.Delivery) error { return answer }}
		cfg := exact()
		cfg.Schedule = []time.Duration{time.Second, time.Hour}
		s := w.start(w.service(cfg, named{"hook", p.channel()}))
		reg := prometheus.NewRegistry()
		reg.MustRegister(s.Figures())
		want := func(when string, list map[string]float64) {
			t.Helper()
			got := figures(t, reg)
			for name, n := range list {
				if v, ok := got[name]; !ok || v != n {
					t.Errorf("%s: %s is %v (there: %v), want %v", when, name, v, ok, n)
				}
			}
		}
		want("at the start", map[string]float64{`delivery_ended_total{hook,dead}`: 0, `delivery_retries_total{hook}`: 0,
			`delivery_attempts_total{hook,timeout}`: 0, `delivery_pending{hook}`: 0, `delivery_due{hook}`: 0,
			`delivery_endpoints_disabled_total{hook,gone}`: 0})
		me := social.NewID()
		at := w.endpoint(s, me)
		like := func() social.ID { e, id := w.notification(me, "like"); w.append(e); settle(); return id }
		like()
		answer = failure{"http_status", 500}
		withdrawn := like()
		want("one taken, one failed", map[string]float64{`delivery_attempts_total{hook,ok}`: 1,
			`delivery_attempts_total{hook,http_status}`: 1, `delivery_ended_total{hook,succeeded}`: 1,
			`delivery_pending{hook}`: 1, `delivery_due{hook}`: 0, `delivery_retries_total{hook}`: 0})
		time.Sleep(2 * time.Second)
		want("tried again", map[string]float64{`delivery_attempts_total{hook,http_status}`: 2,
			`delivery_retries_total{hook}`: 1, `delivery_attempt_seconds{hook}`: 3})
		w.people.withdraw(withdrawn)
		time.Sleep(2 * time.Hour)
		want("taken back", map[string]float64{`delivery_ended_total{hook,cancelled}`: 1, `delivery_pending{hook}`: 0})
		answer = nil
		like()
		answer = failure{"of the channel's own making", 0}
		like()
		like()
		off := false
		if _, err := s.ChangeEndpoint(t.Context(), me, at.ID, pipeline.EndpointPatch{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
		want("switched off by its owner", map[string]float64{`delivery_attempts_total{hook,channel_error}`: 2,
			`delivery_ended_total{hook,dead}`: 2, `delivery_pending{hook}`: 0})
		answer = plugins.Gone(failure{"http_status", 410})
		w.endpoint(s, me)
		like()
		want("gone", map[string]float64{`delivery_endpoints_disabled_total{hook,gone}`: 1,
			`delivery_ended_total{hook,dead}`: 3})
	})
}

// figures reads a registry: name{labels in the order of their names} to the value, or to the count of a histogram.
func figures(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := make([]string, len(m.GetLabel()))
			for i, l := range m.GetLabel() {
				labels[i] = l.GetValue()
			}
			out[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue() +
				float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}
