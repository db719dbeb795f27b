package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

const hostLine = "Host: social.example\r\n"

func quick(cfg *server.Config, _ *server.LimitsConfig) { cfg.ReadTimeout = 150 * time.Millisecond }

// TestHostileFraming: one row for each way of H1 to H10 to say a request so that two programs read it in two ways.
func TestHostileFraming(t *testing.T) {
	s := newSite(t, quick)
	address := s.serve()
	const json = "Content-Type: application/json\r\n"
	big := strings.Repeat("x", 64<<10)
	for _, tt := range []struct {
		name, request string
		status        int
		code          social.Code
	}{
		{"H1 length over the limit", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json + "Content-Length: 65537\r\n\r\n", 413,
			social.CodeBodyTooLarge},
		{"H2 chunks over the limit", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json +
			"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + big + "x", 413, social.CodeBodyTooLarge},
		{"H3 expect with oversize length", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json +
			"Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", 413, social.CodeBodyTooLarge},
		{"H3 expect for a foreign host",
			"POST /v1/notes HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 400,
			social.CodeBadRequest},
		{"H4 headers of 20 KB", "GET / HTTP/1.1\r\n" + hostLine + "X-Long: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", 431,
			social.CodeHeadersTooLarge},
		{"H4 target of 20 KB", "GET /" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\n" + hostLine + "\r\n", 431,
			social.CodeHeadersTooLarge},
		{"H5 two lengths, equal", "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, social.CodeBadRequest},
		{"H5 two lengths, other", "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Content-Length: 2\r\ncontent-length: 0\r\n\r\n{}", 400, social.CodeBadRequest},
		{"H5 list of lengths", "POST /v1/notes HTTP/1.1\r\n" + hostLine + "Content-Length: 2, 2\r\n\r\n{}", 400,
			social.CodeBadRequest},
		{"H5 signed length", "POST /v1/notes HTTP/1.1\r\n" + hostLine + "Content-Length: +2\r\n\r\n{}", 400,
			social.CodeBadRequest},
		{"H6 length and encoding", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json +
			"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /v1/who/none HTTP/1.1\r\n" +
			hostLine + "\r\n", 400, social.CodeBadRequest},
		{"H6 encoding and length", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json +
			"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /v1/who/none HTTP/1.1\r\n" + hostLine + "\r\n",
			400, social.CodeBadRequest},
		{"H7 unknown encoding", "POST /v1/notes HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
			400, social.CodeBadRequest},
		{"H7 identity", "POST /v1/notes HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: identity\r\n\r\n", 400,
			social.CodeBadRequest},
		{"H7 list of encodings", "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, social.CodeBadRequest},
		{"H7 chunked in HTTP/1.0", "POST /v1/notes HTTP/1.0\r\n" + hostLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			400, social.CodeBadRequest},
		{"H8 no host", "GET /v1/who/none HTTP/1.1\r\n\r\n", 400, social.CodeBadRequest},
		{"H8 no host in HTTP/1.0", "GET /v1/who/none HTTP/1.0\r\n\r\n", 400, social.CodeBadRequest},
		{"H8 empty host", "GET /v1/who/none HTTP/1.1\r\nHost:\r\n\r\n", 400, social.CodeBadRequest},
		{"H8 two hosts", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + hostLine + "\r\n", 400, social.CodeBadRequest},
		{"H8 foreign host", "GET /v1/who/none HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400, social.CodeBadRequest},
		{"H8 malformed port", "GET /v1/who/none HTTP/1.1\r\nHost: social.example:80x\r\n\r\n", 400, social.CodeBadRequest},
		{"H8 absolute form, foreign", "GET http://evil.example/v1/who/none HTTP/1.1\r\n" + hostLine + "\r\n", 400,
			social.CodeBadRequest},
		{"H8 absolute form, user", "GET http://social.example@evil.example/v1/who/none HTTP/1.1\r\n" + hostLine + "\r\n",
			400, social.CodeBadRequest},
		{"H8 absolute form, scheme", "GET ftp://social.example/v1/who/none HTTP/1.1\r\n" + hostLine + "\r\n", 400,
			social.CodeBadRequest},
		{"H9 HTTP/0.9", "GET /v1/who/none\r\n", 400, social.CodeBadRequest},
		{"H9 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, social.CodeBadRequest},
		{"H9 folded header", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "X-A: 1\r\n X-B: 2\r\n\r\n", 400,
			social.CodeBadRequest},
		{"H9 first header folded", "GET /v1/who/none HTTP/1.1\r\n " + hostLine + "\r\n", 400, social.CodeBadRequest},
		{"H9 space before the colon", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "Content-Length : 0\r\n\r\n", 400,
			social.CodeBadRequest},
		{"H9 space in a name", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "X Y: 1\r\n\r\n", 400, social.CodeBadRequest},
		{"H9 no name", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + ": 1\r\n\r\n", 400, social.CodeBadRequest},
		{"H9 NUL in a value", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "X-A: a\x00b\r\n\r\n", 400, social.CodeBadRequest},
		{"H9 bare CR in a value", "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "X-A: a\rX-B: b\r\n\r\n", 400,
			social.CodeBadRequest},
		{"H9 all bare LF", "GET /v1/who/none HTTP/1.1\nHost: social.example\n\n", 408, social.CodeRequestTimeout},
		{"H10 TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\xd1secret-of-the-client", 400,
			social.CodeBadRequest},
		{"H10 garbage", "\x00\xff<script>alert(1)</script>\r\n\r\n", 400, social.CodeBadRequest},
		{"unknown method", "BREW /v1/notes HTTP/1.1\r\n" + hostLine + "\r\n", 400, social.CodeBadRequest},
		{"two credentials", "GET /v1/who/read HTTP/1.1\r\n" + hostLine +
			"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400, social.CodeBadRequest},
		{"H12 body that stops", "POST /v1/notes HTTP/1.1\r\n" + hostLine + json + "Content-Length: 100\r\n\r\n{", 408,
			social.CodeRequestTimeout},
		{"H11 header that stops", "GET /v1/notes HTTP/1.1\r\nHo", 408, social.CodeRequestTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, closed := raw(t, address, tt.request)
			s := &site{t: t}
			s.wantProblem(a, tt.status, tt.code)
			if !closed {
				t.Error("the connection stays open")
			}
			for _, echo := range []string{"evil", "script", "secret", "xchunked", "BREW", "X-A"} {
				if strings.Contains(a.body, echo) {
					t.Errorf("the answer repeats %q: %s", echo, a.body)
				}
			}
		})
	}
}

// TestFramingTolerated: what may be unusual and is served all the same.
func TestFramingTolerated(t *testing.T) {
	s := newSite(t, quick)
	address := s.serve()
	for name, request := range map[string]string{
		"H8 absolute form":                  "GET http://social.example/v1/who/none HTTP/1.1\r\n" + hostLine + "\r\n",
		"H8 port":                           "GET /v1/who/none HTTP/1.1\r\nHost: social.example:8443\r\n\r\n",
		"H8 upper case":                     "GET /v1/who/none HTTP/1.1\r\nhost: SOCIAL.example.\r\n\r\n",
		"H8 loopback":                       "GET /v1/who/none HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
		"H8 loopback name":                  "GET /v1/who/none HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"H8 loopback in version 6":          "GET /v1/who/none HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
		"H9 bare LF after the request line": "GET /v1/who/none HTTP/1.1\n" + hostLine + "\r\n",
		"a URL in the query":                "GET /v1/notes?q=http://evil.example/x HTTP/1.1\r\n" + hostLine + "\r\n",
		"chunked": "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"exactly the limit": "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Content-Type: application/json\r\nContent-Length: 65536\r\n\r\n" +
			"{}" + strings.Repeat(" ", 64<<10-2),
	} {
		t.Run(name, func(t *testing.T) {
			if a, _ := raw(t, address, request); a.StatusCode != 200 {
				t.Errorf("got %d %s, want 200", a.StatusCode, a.body)
			}
		})
	}
}

// H3: a body that fits is asked for, and only then.
func TestExpectContinue(t *testing.T) {
	s := newSite(t)
	conn, err := dial(s.serve())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	br := bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST /v1/notes HTTP/1.1\r\n%sContent-Type: application/json\r\nExpect: 100-continue\r\n"+
		"Content-Length: 14\r\n\r\n", hostLine)
	if line, _ := br.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("got %q, want 100", line)
	}
	_, _ = br.ReadString('\n')
	_, _ = io.WriteString(conn, `{"text":"late"}`[:14])
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 400 { // 14 of 15 bytes: not JSON, so it was the body that was read
		t.Fatalf("got %v %v, want 400 for a cut body", resp, err)
	}
}

// H2: a body in chunks is not kept beyond the limit.
func TestH2Memory(t *testing.T) {
	s := newSite(t)
	conn, err := dial(s.serve())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fmt.Fprintf(conn, "POST /v1/notes HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n", hostLine)
	chunk := []byte("8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n")
	for i := 0; i < 2000; i++ { // 65 MB in all
		if _, err := conn.Write(chunk); err != nil {
			break
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated for a body that is refused at 64 KiB", grown)
	}
}

// H11, H12: the limit is on the whole request, so a byte now and then does not keep it alive.
func TestSlowRequestEnds(t *testing.T) {
	s := newSite(t, quick)
	conn, err := dial(s.serve())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	began := time.Now()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		_, _ = io.WriteString(conn, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Content-Length: 60000\r\n\r\n")
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 408 {
		t.Fatalf("got %v %v, want 408", resp, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v with a read timeout of 150ms", took)
	}
}

func TestAllowedHosts(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.AllowedHosts = []string{"belfry.lan", "192.168.1.5"}
	})
	for host, want := range map[string]int{
		"belfry.lan": 200, "belfry.lan:8080": 200, "192.168.1.5": 200, "social.example": 200, "a.localhost": 200,
		"192.168.1.6": 400, "evilbelfry.lan": 400, "social.example.evil": 400, "social.example@evil": 400,
		"localhost.evil": 400,
		"127.0.0.1.evil": 400,
	} {
		if a := s.do("GET", "/v1/who/none", "", "Host", host); a.StatusCode != want {
			t.Errorf("Host %s: got %d, want %d", host, a.StatusCode, want)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	ask := func(s *site, forwarded string) string {
		a := s.do("GET", "/v1/who/optional", "", "X-Forwarded-For", forwarded)
		_, rest, _ := strings.Cut(a.body, `"actor":"address:`)
		address, _, _ := strings.Cut(rest, `"`)
		return address
	}
	if got := ask(newSite(t), "203.0.113.9"); got != "0.0.0.0" {
		t.Errorf("nobody is trusted, but X-Forwarded-For was believed: %s", got)
	}
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.TrustedProxies = []string{"0.0.0.0", "10.0.0.0/8"} // the first is the peer of an in-process request
	})
	for forwarded, want := range map[string]string{
		"203.0.113.9":                    "203.0.113.9",
		"198.51.100.1, 203.0.113.9":      "203.0.113.9", // the client wrote the first one
		"203.0.113.9, 10.1.2.3":          "203.0.113.9", // a second trusted hop
		"203.0.113.9, nonsense":          "0.0.0.0",
		"10.1.2.3":                       "10.1.2.3",
		"":                               "0.0.0.0",
		"2001:db8:1:2:3:4:5:6":           "2001:db8:1:2::/64",
		"::ffff:203.0.113.9":             "203.0.113.9",
		"203.0.113.9, 2001:db8::1%evil0": "2001:db8::/64",
	} {
		if got := ask(s, forwarded); got != want {
			t.Errorf("X-Forwarded-For %q: got %s, want %s", forwarded, got, want)
		}
	}
}
