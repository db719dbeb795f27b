package server_test

import (
	"bufio"
	"strconv"
	"strings"
	"testing"

	fast "github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/app/server"
)

// BenchmarkRequest is what the host adds to an operation of a module: parsing, guard, headers, who is asking,
// strict input, huma, encoding, log and figures.
func BenchmarkRequest(b *testing.B) {
	for _, bm := range []struct{ name, line, body string }{
		{"get", "GET /v1/notes/7", ""},
		{"post", "POST /v1/notes", `{"text":"First light","kind":"a","warning":null}`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := newSite(&testing.T{}, func(_ *server.Config, l *server.LimitsConfig) { l.Enabled = false })
			s.do("GET", "/healthz", "") // builds the routes
			h := s.Fiber().Server().Handler
			request := bm.line + " HTTP/1.1\r\nHost: social.example\r\nAuthorization: Bearer bf_reader\r\n" +
				"Content-Type: application/json\r\nContent-Length: " +
				strconv.Itoa(len(bm.body)) + "\r\n\r\n" + bm.body
			b.ReportAllocs()
			for b.Loop() {
				var c fast.RequestCtx
				if err := c.Request.Read(bufio.NewReader(strings.NewReader(request))); err != nil {
					b.Fatal(err)
				}
				h(&c)
				if c.Response.StatusCode() != 200 {
					b.Fatalf("got %d %s", c.Response.StatusCode(), c.Response.Body())
				}
			}
		})
	}
}
