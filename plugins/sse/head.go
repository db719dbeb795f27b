package sse

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// header is the name and value of one line of a response head.
type header struct{ name, value string }

// headersOf copies the lines the host's middleware has set, CORS among them, but for those that the stream's own
// head says and those that frame a body.
func headersOf(f *fiber.Ctx) []header {
	var out []header
	for k, v := range f.Context().Response.Header.All() {
		switch name := string(k); strings.ToLower(name) {
		case "content-type", "content-length", "transfer-encoding", "connection", "keep-alive", "content-encoding",
			"cache-control", "vary", "date", "etag", "x-request-id", "x-content-type-options", "x-accel-buffering":
		default:
			out = append(out, header{name, string(v)})
		}
	}
	return out
}

// appendHead appends the head of a stream's answer. extra are the lines the host has set.
func appendHead(b []byte, date time.Time, requestID string, extra []header) []byte {
	b = fmt.Appendf(b, "HTTP/1.1 200 OK\r\n"+
		"Content-Type: text/event-stream\r\n"+
		"Cache-Control: no-store, no-transform\r\n"+
		"X-Accel-Buffering: no\r\n"+
		"Vary: Accept, Authorization, Cookie, Origin\r\n"+
		"X-Content-Type-Options: nosniff\r\n"+
		"Date: %s\r\nConnection: close\r\n", date.UTC().Format(http.TimeFormat))
	if requestID != "" {
		extra = append([]header{{"X-Request-Id", requestID}}, extra...)
	}
	for _, h := range extra {
		if !strings.ContainsAny(h.name+h.value, "\r\n\x00") {
			b = fmt.Appendf(b, "%s: %s\r\n", h.name, h.value)
		}
	}
	return append(b, "\r\n"...)
}
