package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// However an answer is framed, the caller has its body; it keeps its connection as long as the server does.
func TestCaller(t *testing.T) {
	long := strings.Repeat("0123456789", 5000)
	connections := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		body, _ := io.ReadAll(r.Body)
		said := fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Authorization"), body)
		switch r.URL.Path {
		case "/chunked":
			for _, part := range []string{said, long} {
				_, _ = io.WriteString(w, part)
				_ = http.NewResponseController(w).Flush()
			}
		case "/last":
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, said)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, said)
		}
	}))
	defer s.Close()
	c := newCaller(&Server{Address: s.Listener.Addr().String()})
	defer c.close()
	who := Person{Token: "bf_x"}.credential()
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/a?b=c", "", 418, "GET /a?b=c Bearer bf_x "},
		{"POST", "/a", "{}", 418, "POST /a Bearer bf_x {}"},
		{"GET", "/chunked", "", 200, "GET /chunked Bearer bf_x " + long},
		{"DELETE", "/none", "", 204, ""},
		{"POST", "/last", long, 200, "POST /last Bearer bf_x " + long},
		{"GET", "/again", "", 418, "GET /again Bearer bf_x "},
	} {
		var body []byte
		if tt.body != "" {
			body = []byte(tt.body)
		}
		status, reply, err := c.ask(tt.method, tt.path, who, body)
		if err != nil || status != tt.status || string(reply) != tt.want {
			t.Errorf("%s %s: %d %.80q %v", tt.method, tt.path, status, reply, err)
		}
	}
	if len(connections) != 2 {
		t.Errorf("%d connections, want 2: one until the server closed it", len(connections))
	}
}

func TestReportOfFaultsHasNoFigures(t *testing.T) {
	r := &Report{Bench: "fanout", Flags: map[string]string{"seed": "7", "keep": "false", "url": ""}}
	r.Row("full rate").Figure("deliveries_per_s", 1_234_567.8).Figure("p999_ms", 1.2345).Figure("server_cpu_s_per_million", 12)
	r.Row("again").Figure("deliveries_per_s", 100).Figure("p999_ms", 0).Figure("server_cpu_s_per_million", 99.96)
	r.Row("other").Figure("kb_per_stream", -3.14159)
	r.Checked.Deliveries = 40_000
	var good, bad, asJSON bytes.Buffer
	if err := r.print(&good, false); err != nil || r.verdict() != nil {
		t.Fatal(err, r.verdict())
	}
	for _, want := range []string{"fanout seed=7\n", "deliveries/s  p99.9 ms  server cpu s/M", "1,234,568", "1.23 ", "kb/stream", "-3.14", "lost 0, doubled 0"} {
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
	if text := bad.String() + asJSON.String(); strings.Contains(text, "1,234,568") || strings.Contains(text, "1234567") || strings.Count(text, "reader 4: message 5 is lost") != 2 || r.verdict() != ErrFaults {
		t.Errorf("%v: %s", r.verdict(), text)
	}
}
