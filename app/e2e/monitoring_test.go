package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// scrape is /metrics of a server: for each name, its series as label to value.
func (s *site) scrape(t *testing.T) (names map[string][]map[string]string, text []byte) {
	t.Helper()
	text = newCaller(s.Admin, "").must(t, 200, "GET", "/metrics", nil)
	names = map[string][]map[string]string{}
	series := regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	pair := regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
	for _, m := range series.FindAllStringSubmatch(string(text), -1) {
		labels := map[string]string{}
		for _, l := range pair.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		names[m[1]] = append(names[m[1]], labels)
	}
	return names, text
}

// expressions are the queries of the sample rules and of the dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	read := func(path string) []byte {
		text, err := os.ReadFile("../../docs/monitoring/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	out := map[string]string{}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(read("alerts.yml"), &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			out["alert "+r.Alert] = r.Expr
			if s := r.Labels["severity"]; s != "critical" && s != "warning" || r.Annotations["summary"] == "" ||
				r.Annotations["description"] == "" {
				t.Errorf("alert %s needs a severity, a summary and a description: %+v", r.Alert, r)
			}
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Type  string
				Query json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(read("grafana.json"), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for i, target := range p.Targets {
			out["panel "+p.Title+string(rune('A'+i))] = target.Expr
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			out["variable"] = string(v.Query)
		}
	}
	if len(out) < 50 {
		t.Fatalf("only %d queries were found", len(out))
	}
	return out
}

// Every figure that the sample rules and the dashboard ask for is in /metrics of a server that has just begun, with
// the labels and the values that they name, and is described in the operator's page, which describes no others.
func TestMonitoringNamesRealFigures(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	live, _ := alice.stream("")
	alice.post("something to count")
	live.close()
	names, text := s.scrape(t)
	selector := regexp.MustCompile(`\b((?:belfry|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`([a-z_]+)(=~|!=|=)"([^"]*)"`)
	fromTraffic := []string{"instance", "method", "route", "status"} // values that come with requests and scrapes
	asked := map[string]bool{}
	for where, expr := range expressions(t) {
		found := selector.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 {
			t.Errorf("%s asks for no figure: %s", where, expr)
		}
		for _, m := range found {
			asked[m[1]] = true
			series := names[m[1]]
			if len(series) == 0 {
				t.Errorf("%s asks for %s, which is not there", where, m[1])
				continue
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if _, ok := series[0][l[1]]; !ok && l[1] != "instance" {
					t.Errorf("%s: %s has no label %s", where, m[1], l[1])
				}
				for _, value := range strings.Split(l[3], "|") {
					if !slices.Contains(fromTraffic, l[1]) &&
						!slices.ContainsFunc(series, func(have map[string]string) bool { return have[l[1]] == value }) {
						t.Errorf("%s: no %s has %s=%q", where, m[1], l[1], value)
					}
				}
			}
		}
	}
	for name := range names {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		if strings.HasPrefix(name, "belfry_") && !asked[name] && !asked[name+"_bucket"] {
			t.Errorf("neither rules nor dashboard use %s", name)
		}
	}
	checkFigureDocs(t, names)
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "belfry_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// checkFigureDocs compares the table of docs/operations.md with what a server has.
func checkFigureDocs(t *testing.T, names map[string][]map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(belfry_[a-z_]+)`").FindAllSubmatch(page, -1) {
		told[string(m[1])] = true
	}
	have := map[string]bool{}
	for name := range names {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		have[name] = strings.HasPrefix(name, "belfry_")
	}
	for name, ours := range have {
		if ours && !told[name] {
			t.Errorf("docs/operations.md does not tell of %s", name)
		}
	}
	for name := range told {
		if !have[name] {
			t.Errorf("docs/operations.md tells of %s, which is not there", name)
		}
	}
}

// A channel of which nothing arrives degrades the server, has its state in /metrics and a line in the log.
func TestOperatorSeesAChannelThatOnlyFails(t *testing.T) {
	s, heard := hooked(t, map[string]string{"delivery.schedule": "1h"})
	s.stop()
	s.parts = append(s.parts, plugins.Provide(bad("sendfail", badSender{badListener{func([]social.Event) {}},
		func(context.Context) error { return errors.New("never") }})))
	s.start()
	alice, bob := s.register("alice"), s.register("bob")
	alice.want(201, "POST", "/v1/me/endpoints", map[string]any{"channel": "sendfail", "settings": map[string]any{}}, nil)
	for range 18 {
		bob.want(200, "PUT", "/v1/posts/"+alice.post("nobody will hear")+"/like", nil, nil)
	}
	heard.until(t, "the failures are noticed", func() bool {
		return s.Logs.FilterMessage("no attempt of the channel succeeds").Len() == 1
	})
	var ready struct {
		Status string
		Checks []struct {
			Name, Detail string
			OK           bool
		}
	}
	if err := json.Unmarshal(newCaller(s.Admin, "").must(t, 200, "GET", "/readyz", nil), &ready); err != nil {
		t.Fatal(err)
	}
	named := false
	for _, c := range ready.Checks {
		named = named || !c.OK && c.Name == "channels" && strings.Contains(c.Detail, "sendfail is failing")
	}
	if ready.Status != "degraded" || !named {
		t.Errorf("/readyz says %+v", ready)
	}
	_, text := s.scrape(t)
	for _, line := range []string{`belfry_channel_state{channel="sendfail",state="failing"} 1`,
		`belfry_channel_state{channel="webhook",state="ok"} 1`, `belfry_check_ok{check="channels"} 0`} {
		if !bytes.Contains(text, []byte(line)) {
			t.Errorf("/metrics has no %s", line)
		}
	}
}
