package client

import (
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
	c := NewCaller(s.Listener.Addr().String())
	defer c.Close()
	who := Person{Token: "bf_x"}.Credential()
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
		status, reply, err := c.Ask(tt.method, tt.path, who, body)
		if err != nil || status != tt.status || string(reply) != tt.want {
			t.Errorf("%s %s: %d %.80q %v", tt.method, tt.path, status, reply, err)
		}
	}
	if len(connections) != 2 {
		t.Errorf("%d connections, want 2: one until the server closed it", len(connections))
	}
}
