package e2e_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
)

// TestPageWeight: what a first visit fetches, of a community with pictures, is bounded; a second visit of somebody who
// lives here fetches less. TURNS=5 -v prints the times on the network of a phone, which docs/performance.md has.
func TestPageWeight(t *testing.T) {
	t.Parallel()
	npmInstall(t)
	s := startSite(t, map[string]string{"demo.every": "1h"}, append(app.Standard(),
		fx.Decorate(func(o app.Options) app.Options { o.Demo = true; return o }))...)
	out := node(t, nil, "weight.mjs", s.URL, "demo", "belfry-demo", strconv.Itoa(number(t, "TURNS", 1)), chromium(t))
	bytes := map[string]int{}
	for line := range strings.Lines(out) {
		var visit struct {
			Kind     string
			Bytes    int
			Requests int
		}
		if json.Unmarshal([]byte(line), &visit) != nil {
			continue
		}
		t.Log(strings.TrimSpace(line))
		bytes[visit.Kind] = visit.Bytes
		if visit.Bytes > 400_000 || visit.Requests > 40 {
			t.Errorf("%s: %d bytes in %d requests", visit.Kind, visit.Bytes, visit.Requests)
		}
	}
	if len(bytes) != 3 || bytes["warm"] >= bytes["cold"] {
		t.Errorf("kinds of visits and their bytes: %v", bytes)
	}
}
