package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"
)

// TestLostLogIsToldOf: a log that is lost, foreign or damaged is rebuilt, and a line that names the file says so, at
// warn or above; a start that finds all in order says nothing of the kind.
func TestLostLogIsToldOf(t *testing.T) {
	s, other := startSite(t, nil), startSite(t, nil)
	for _, site := range []*site{s, other} {
		site.register("alice").post("first light")
		site.stop()
	}
	path := func(site *site) string { return filepath.Join(site.Data, "belfry.log.bolt") }
	write := func(content []byte, err error) {
		if err == nil {
			err = os.WriteFile(path(s), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, state string
		spoil       func()
	}{
		{"in order", "", func() {}},
		{"lost", "there is no log", func() { _ = os.Remove(path(s)) }},
		{"foreign", "the log is of another history than the store", func() { write(os.ReadFile(path(other))) }},
		{"damaged", "there is no log", func() { write(make([]byte, 64<<10), nil) }},
	} {
		tt.spoil()
		s.start()
		said := ""
		for _, e := range s.Logs.FilterMessage("event log").All() {
			fields := e.ContextMap()
			if e.Level >= zapcore.WarnLevel && fields["file"] == path(s) {
				said += fmt.Sprint(fields["state"])
			}
		}
		if (tt.state == "") != (said == "") || !strings.Contains(said, tt.state) {
			t.Errorf("%s: the log says %q, want %q", tt.name, said, tt.state)
		}
		aside := s.Logs.FilterMessage("event log cannot be used and is set aside").All()
		if (tt.name == "damaged") != (len(aside) == 1) || len(aside) == 1 && !strings.Contains(
			fmt.Sprint(aside[0].ContextMap()["error"]), path(s)) {
			t.Errorf("%s: set aside: %v", tt.name, aside)
		}
		s.stop()
	}
}
