package bench

import (
	"bytes"
	"strings"
	"testing"
)

func TestReportOfFaultsHasNoFigures(t *testing.T) {
	r := &Report{Bench: "fanout", Flags: map[string]string{"seed": "7", "keep": "false", "url": ""}}
	r.Row("full rate").Figure("deliveries_per_s", 1_234_567.8).Figure("p999_ms", 1.2345).
		Figure("server_cpu_s_per_million", 12)
	r.Row("again").Figure("deliveries_per_s", 100).Figure("p999_ms", 0).Figure("server_cpu_s_per_million", 99.96)
	r.Row("other").Figure("kb_per_stream", -3.14159)
	r.Checked.Deliveries = 40_000
	var good, bad, asJSON bytes.Buffer
	if err := r.print(&good, false); err != nil || r.verdict() != nil {
		t.Fatal(err, r.verdict())
	}
	for _, want := range []string{"fanout seed=7\n", "deliveries/s  p99.9 ms  server cpu s/M", "1,234,568", "1.23 ",
		"kb/stream", "-3.14", "lost 0, doubled 0"} {
		if !strings.Contains(good.String(), want) {
			t.Errorf("no %q in\n%s", want, good.String())
		}
	}
	if n := strings.Count(good.String(), "deliveries/s"); n != 1 {
		t.Errorf("%d headings for rows with the same figures", n)
	}
	r.Checked.Lost = 1
	r.Checked.Fault("reader %d: message %d is lost", 4, 5)
	if err := r.print(&bad, false); err != nil {
		t.Fatal(err)
	}
	if err := r.print(&asJSON, true); err != nil {
		t.Fatal(err)
	}
	if text := bad.String() + asJSON.String(); strings.Contains(text, "1,234,568") ||
		strings.Contains(text, "1234567") || strings.Count(text, "reader 4: message 5 is lost") != 2 ||
		r.verdict() != ErrFaults {
		t.Errorf("%v: %s", r.verdict(), text)
	}
}
