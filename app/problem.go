package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// problems is the one table of status codes: what a code is answered with, and its title.
var problems = map[modules.Code]struct {
	status int
	title  string
}{
	modules.CodeBadRequest:           {400, "The request is malformed"},
	modules.CodeInvalidJSON:          {400, "The body is not valid JSON"},
	modules.CodeInvalidCursor:        {400, "The page cursor is not valid"},
	modules.CodeUnauthenticated:      {401, "Nobody is signed in"},
	modules.CodeInvalidToken:         {401, "The session or token is not valid"},
	modules.CodeInvalidTicket:        {401, "The ticket is not valid"},
	modules.CodeBadCredentials:       {401, "Name or password is wrong"},
	modules.CodeInsufficientScope:    {403, "The token does not allow this"},
	modules.CodeForbidden:            {403, "Your role does not allow this"},
	modules.CodeCrossSite:            {403, "The request came from another site"},
	modules.CodeAccountSuspended:     {403, "The account is suspended"},
	modules.CodeRegistrationClosed:   {403, "Registration is closed"},
	modules.CodeWrongPassword:        {403, "The password is wrong"},
	modules.CodeNotFound:             {404, "Not found"},
	modules.CodeMethodNotAllowed:     {405, "The method is not allowed here"},
	modules.CodeNotAcceptable:        {406, "No acceptable form of answer"},
	modules.CodeRequestTimeout:       {408, "The request took too long to arrive"},
	modules.CodeUsernameTaken:        {409, "The username is taken"},
	modules.CodeIdempotencyInFlight:  {409, "The first request with this key is still running"},
	modules.CodeLimitReached:         {409, "You have as many of these as you can have"},
	modules.CodeInvalidState:         {409, "This cannot be done in its present state"},
	modules.CodeCursorGone:           {410, "Events after this id cannot be given"},
	modules.CodePreconditionFailed:   {412, "It has changed since"},
	modules.CodeBodyTooLarge:         {413, "The body is too large"},
	modules.CodeUnsupportedMediaType: {415, "The body has an unsupported media type"},
	modules.CodeValidationFailed:     {422, "Some fields are not valid"},
	modules.CodeIdempotencyMismatch:  {422, "The idempotency key was used for another request"},
	modules.CodeSelfTarget:           {422, "You cannot do this to yourself"},
	modules.CodeMediaRejected:        {422, "The media was rejected"},
	modules.CodeRateLimited:          {429, "Too many requests"},
	modules.CodeHeadersTooLarge:      {431, "The request headers are too large"},
	modules.CodeInternal:             {500, "Something went wrong on the server"},
	modules.CodeOverloaded:           {503, "The server is busy"},
	modules.CodeUnavailable:          {503, "The service is not available"},
	modules.CodeStorageFull:          {507, "The server is out of space"},
}

const problemType = "application/problem+json"

// maxFields bounds how many refused fields one answer names.
const maxFields = 32

// Problem is the body of every answer of 4xx and 5xx (RFC 9457). It never holds a refused value nor the text of
// an internal error; that is kept in cause, for the log.
type Problem struct {
	Type       string          `json:"type" doc:"Stable; /problems/ and the code."`
	Title      string          `json:"title" doc:"For people."`
	Status     int             `json:"status"`
	Detail     string          `json:"detail" doc:"For people."`
	Instance   string          `json:"instance" doc:"The path that was asked for."`
	Code       modules.Code    `json:"code" doc:"Stable; of a closed list."`
	RequestID  string          `json:"request_id"`
	Errors     []modules.Field `json:"errors" doc:"The refused fields; empty unless the status is 422."`
	RetryAfter *int64          `json:"retry_after" doc:"Seconds, as in the header Retry-After; null when not said."`
	Gap        *ProblemGap     `json:"gap,omitempty" doc:"Only with cursor_gone: where to go on and how to heal."`

	cause error
}

// ProblemGap says where a reader whose event id cannot be honoured goes on.
type ProblemGap struct {
	From   *modules.Cursor   `json:"from" doc:"The id that was given; null when it could not be read."`
	To     modules.Cursor    `json:"to" doc:"Ask again with this."`
	Reason modules.GapReason `json:"reason"`
	Heal   []string          `json:"heal" doc:"Lists to fetch anew."`
}

// Error is the code and the internal cause, for the log.
func (p *Problem) Error() string {
	if p.cause != nil {
		return string(p.Code) + ": " + p.cause.Error()
	}
	return string(p.Code) + ": " + p.Detail
}

// Unwrap gives the internal cause.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json; huma asks for it.
func (p *Problem) ContentType(string) string { return problemType }

// newProblem gives err the form in which a caller may see it. A *modules.Fault is shown as it is, a full or
// absent store and an expired deadline by their codes, an error of the router by its status; everything else is
// internal and shown without its text.
func newProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var f *modules.Fault
	if !errors.As(err, &f) {
		f = faultOf(err)
	}
	form, known := problems[f.Code]
	if !known {
		err = fmt.Errorf("fault with unknown code: %w", err)
		f = internalFault()
		form = problems[f.Code]
	}
	p = &Problem{
		Type: "/problems/" + string(f.Code), Title: form.title, Status: form.status, Detail: f.Detail, Code: f.Code,
		Errors: []modules.Field{},
	}
	if f.Code == modules.CodeValidationFailed {
		p.Errors = f.Fields[:min(len(f.Fields), maxFields):min(len(f.Fields), maxFields)]
	}
	if f.RetryAfter > 0 {
		s := retrySeconds(f.RetryAfter)
		p.RetryAfter = &s
	}
	if f.Gap != nil {
		p.Gap = &ProblemGap{To: f.Gap.To, Reason: f.Gap.Reason, Heal: plugins.Heal()}
		if !f.Gap.From.IsZero() {
			p.Gap.From = &f.Gap.From
		}
	}
	if p.Status >= 500 {
		p.cause = err
	}
	return p
}

// faultOf names what an error of our own layers, or of the router, is to a caller.
func faultOf(err error) *modules.Fault {
	var gap *modules.GapError
	var routed *fiber.Error
	switch {
	case errors.As(err, &gap):
		return &modules.Fault{Code: modules.CodeCursorGone, Detail: "Go on from the id in gap.to.", Gap: gap}
	case errors.Is(err, storage.ErrFull), errors.Is(err, storage.ErrReadOnly):
		return modules.NewFault(modules.CodeStorageFull, "Nothing can be written at the moment; reading goes on.")
	case errors.Is(err, storage.ErrBusy):
		return &modules.Fault{Code: modules.CodeOverloaded, Detail: "Please try again in a moment.", RetryAfter: time.Second}
	case errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrFailed):
		return &modules.Fault{Code: modules.CodeUnavailable, Detail: "Please try again soon.", RetryAfter: 5 * time.Second}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &modules.Fault{Code: modules.CodeUnavailable, Detail: "The answer took too long.", RetryAfter: time.Second}
	case errors.As(err, &routed):
		return routerFault(routed.Code)
	}
	return internalFault()
}

func internalFault() *modules.Fault {
	return modules.NewFault(modules.CodeInternal, "The server has noted what happened under this request id.")
}

// routerFault gives the fault for a status that Fiber or huma decided on.
func routerFault(status int) *modules.Fault {
	switch status {
	case 404:
		return modules.NotFound()
	case 405:
		return modules.NewFault(modules.CodeMethodNotAllowed, "The header Allow names the methods of this path.")
	case 406:
		return modules.NewFault(modules.CodeNotAcceptable, "Answers here are application/json.")
	case 408:
		return modules.NewFault(modules.CodeRequestTimeout, "Send the request faster.")
	case 413:
		return modules.NewFault(modules.CodeBodyTooLarge, "Send a smaller body.")
	case 415:
		return modules.NewFault(modules.CodeUnsupportedMediaType, "Send application/json in UTF-8.")
	case 431:
		return modules.NewFault(modules.CodeHeadersTooLarge, "Send fewer or shorter headers.")
	}
	if status >= 400 && status < 500 {
		return modules.NewFault(modules.CodeBadRequest, "The request cannot be understood.")
	}
	return internalFault()
}

func retrySeconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }

// headers calls set for the headers that go with a problem.
func (p *Problem) headers(set func(name, value string)) {
	if p.RetryAfter != nil {
		set(fiber.HeaderRetryAfter, strconv.FormatInt(*p.RetryAfter, 10))
	}
	if p.Status == fiber.StatusUnauthorized {
		set(fiber.HeaderWWWAuthenticate, `Bearer realm="belfry"`)
	}
}

// write makes p the answer, in place of whatever was there.
func (p *Problem) write(c *fasthttp.RequestCtx) {
	body, err := encodeJSON(p)
	if err != nil { // cannot happen: only strings and numbers
		body = []byte(`{"code":"internal","status":500}`)
	}
	c.Response.ResetBody()
	c.Response.SetStatusCode(p.Status)
	c.Response.Header.Del(fiber.HeaderETag)
	c.Response.Header.SetContentType(problemType)
	c.Response.Header.Set(fiber.HeaderCacheControl, "no-store")
	p.headers(c.Response.Header.Set)
	c.Response.SetBody(body)
}
