package e2e_test

import (
	"regexp"
	"testing"
)

// TestMetrics: the figures of the channels have the names that the pages give them, each with belfry_ once before it.
func TestMetrics(t *testing.T) {
	w := startWorld(t, nil, 0)
	text := newCaller(w.Admin, "").must(t, 200, "GET", "/metrics", nil)
	for _, name := range []string{"connections", "people", "people_kept", "tail_bytes", "blocks_total", "bytes_total",
		"questions_total",
		"catch_up_pages_total", "failures_total"} {
		if !regexp.MustCompile(`(?m)^belfry_sse_` + name + `\{channel="sse"\} \S+$`).Match(text) {
			t.Errorf("no belfry_sse_%s", name)
		}
	}
	if twice := regexp.MustCompile(`(?m)^belfry_belfry_\w+`).FindAll(text, -1); len(twice) > 0 {
		t.Errorf("belfry_ stands twice: %s", twice)
	}
}
