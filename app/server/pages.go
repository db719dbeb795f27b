package server

import (
	"fmt"
	"html"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// cures say what to do about a problem; GET /problems/<code> shows them to whoever follows the type of one.
var cures = map[social.Code]string{
	social.CodeBadRequest:           "The request line, a header or the framing is malformed, or the host is not served.",
	social.CodeInvalidJSON:          "Send one JSON value in UTF-8, with each name once and at most 32 levels.",
	social.CodeInvalidCursor:        "Take cursors from an earlier page of the same list, with the same filter.",
	social.CodeUnauthenticated:      "Send the session cookie, or Authorization: Bearer with a token.",
	social.CodeInvalidToken:         "Sign in again, or make a new token.",
	social.CodeInvalidTicket:        "A ticket is good for one stream within 30 seconds. Take a new one.",
	social.CodeBadCredentials:       "Nobody has this name with this password.",
	social.CodeInsufficientScope:    "Use a token with the scope that the operation names, or the session.",
	social.CodeForbidden:            "This is for another role.",
	social.CodeCrossSite:            "Only this site's own pages may use the session cookie; other pages use a token.",
	social.CodeAccountSuspended:     "The account can be looked at and left, nothing else.",
	social.CodeRegistrationClosed:   "Ask the operator of this site for an account.",
	social.CodeWrongPassword:        "Repeat the account's present password.",
	social.CodeNotFound:             "It is not there, or not for you to see: both are answered alike.",
	social.CodeMethodNotAllowed:     "The header Allow names the methods of this path.",
	social.CodeNotAcceptable:        "Accept application/json; for events also text/event-stream.",
	social.CodeRequestTimeout:       "Send the whole request within the time the server waits for it.",
	social.CodeUsernameTaken:        "Choose another name. The name of an ended account is never given out again.",
	social.CodeIdempotencyInFlight:  "Send the same request again after the seconds in Retry-After.",
	social.CodeLimitReached:         "Delete one before you make another.",
	social.CodeInvalidState:         "It has moved on. Fetch it and look again.",
	social.CodeCursorGone:           "Fetch the lists in gap.heal, then go on from gap.to.",
	social.CodePreconditionFailed:   "It has changed. Fetch it and send its present ETag.",
	social.CodeBodyTooLarge:         "Send a smaller body.",
	social.CodeUnsupportedMediaType: "Send application/json in UTF-8, not compressed.",
	social.CodeValidationFailed:     "The member errors says which fields were refused, and why.",
	social.CodeIdempotencyMismatch:  "Another request needs another key.",
	social.CodeSelfTarget:           "This is for other people.",
	social.CodeRateLimited:          "Wait for the seconds in Retry-After; the header RateLimit says what is left.",
	social.CodeHeadersTooLarge:      "Send fewer or shorter headers, or a shorter address.",
	social.CodeInternal:             "A fault of the server. Its cause is in the log, under the request id.",
	social.CodeOverloaded:           "Come back after the seconds in Retry-After.",
	social.CodeUnavailable:          "Come back after the seconds in Retry-After.",
	social.CodeStorageFull:          "Reading goes on. The operator has to make room.",
	social.CodeMediaRejected:        "It is damaged, or has too many pixels. Save it anew, or smaller.",
}

// serveProblems adds the pages that the types of problems point at.
func (s *Server) serveProblems() {
	s.get("/problems/:code", func(c *fiber.Ctx) error {
		code := social.Code(c.Params("code"))
		form, known := problems[code]
		if !known {
			return social.NotFound()
		}
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return s.static(c, fiber.MIMETextHTMLCharsetUTF8,
			problemPage(form.title, cures[code], fmt.Sprintf("%s, status %d", code, form.status)))
	})
}

// wantsPage reports whether a problem is shown to a person: a browser asks for a page, outside the API.
func wantsPage(c *fasthttp.RequestCtx) bool {
	accept := string(c.Request.Header.Peek(fiber.HeaderAccept))
	weight, named := plugins.Weight(accept, "text/html")
	json, _ := plugins.Weight(accept, fiber.MIMEApplicationJSON)
	return named && weight > 0 && weight >= json && !strings.HasPrefix(string(c.Path()), "/v1/")
}

// problemPage is a page with a title and some lines of plain text.
func problemPage(title string, lines ...string) []byte {
	var b strings.Builder
	b.WriteString(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>` + html.EscapeString(title) + `</title>
<h1>` + html.EscapeString(title) + `</h1>
`)
	for _, line := range lines {
		b.WriteString("<p>" + html.EscapeString(line) + "</p>\n")
	}
	b.WriteString(`<p><a href="/">Home</a> · <a href="/docs">API</a></p>` + "\n")
	return []byte(b.String())
}
