package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// problems is the one table of status codes: what a code is answered with, and its title.
var problems = map[social.Code]struct {
	status int
	title  string
}{
	social.CodeBadRequest:           {400, "The request is malformed"},
	social.CodeInvalidJSON:          {400, "The body is not valid JSON"},
	social.CodeInvalidCursor:        {400, "The page cursor is not valid"},
	social.CodeUnauthenticated:      {401, "Not signed in"},
	social.CodeInvalidToken:         {401, "The session or token is not valid"},
	social.CodeInvalidTicket:        {401, "The ticket is not valid"},
	social.CodeBadCredentials:       {401, "Wrong username or password"},
	social.CodeInsufficientScope:    {403, "The token does not allow this"},
	social.CodeForbidden:            {403, "Your role does not allow this"},
	social.CodeCrossSite:            {403, "The request came from another site"},
	social.CodeAccountSuspended:     {403, "The account is suspended"},
	social.CodeRegistrationClosed:   {403, "Registration is closed"},
	social.CodeWrongPassword:        {403, "Wrong password"},
	social.CodeNotFound:             {404, "Not found"},
	social.CodeMethodNotAllowed:     {405, "The method is not allowed here"},
	social.CodeNotAcceptable:        {406, "No acceptable form of answer"},
	social.CodeRequestTimeout:       {408, "The request took too long to arrive"},
	social.CodeUsernameTaken:        {409, "The username is taken"},
	social.CodeIdempotencyInFlight:  {409, "The first request with this key is still running"},
	social.CodeLimitReached:         {409, "You have as many of these as you can have"},
	social.CodeInvalidState:         {409, "Not possible in its present state"},
	social.CodeCursorGone:           {410, "Events after this id are gone"},
	social.CodePreconditionFailed:   {412, "It has changed since"},
	social.CodeBodyTooLarge:         {413, "The body is too large"},
	social.CodeUnsupportedMediaType: {415, "The body has an unsupported media type"},
	social.CodeValidationFailed:     {422, "Some fields are not valid"},
	social.CodeIdempotencyMismatch:  {422, "The idempotency key was used for another request"},
	social.CodeSelfTarget:           {422, "You cannot do this to yourself"},
	social.CodeRateLimited:          {429, "Too many requests"},
	social.CodeHeadersTooLarge:      {431, "The request headers are too large"},
	social.CodeInternal:             {500, "Something went wrong on the server"},
	social.CodeOverloaded:           {503, "The server is busy"},
	social.CodeUnavailable:          {503, "The service is not available"},
	social.CodeStorageFull:          {507, "The server is out of space"},
	social.CodeMediaRejected:        {422, "The picture cannot be used"},
}

const problemType = "application/problem+json"

// maxFields bounds how many refused fields one answer names.
const maxFields = 32

// Problem is the body of every answer of 4xx and 5xx (RFC 9457). It never holds a refused value nor the text of
// an internal error; that is kept in cause, for the log.
type Problem struct {
	Type       string         `json:"type" doc:"Stable; /problems/ and the code."`
	Title      string         `json:"title" doc:"For people."`
	Status     int            `json:"status"`
	Detail     string         `json:"detail" doc:"For people."`
	Instance   string         `json:"instance" doc:"The path that was asked for."`
	Code       social.Code    `json:"code" doc:"Stable; of a closed list."`
	RequestID  string         `json:"request_id"`
	Errors     []social.Field `json:"errors" doc:"The refused fields; empty unless the status is 422."`
	RetryAfter *int64         `json:"retry_after" doc:"Seconds, as in the header Retry-After; null when not said."`
	Gap        *ProblemGap    `json:"gap,omitempty" doc:"Only with cursor_gone: where to go on and how to heal."`

	cause error
	limit func(set func(name, value string)) // sets the headers of the budget that was refused; nil = said already
}

// ProblemGap says where a reader whose event id cannot be honoured goes on.
type ProblemGap struct {
	From   *social.Cursor   `json:"from" doc:"The id that was given; null when it could not be read."`
	To     social.Cursor    `json:"to" doc:"Ask again with this."`
	Reason social.GapReason `json:"reason"`
	Heal   []string         `json:"heal" doc:"Lists to fetch anew."`
}

// Error is the code and the internal cause, for the log.
func (p *Problem) Error() string {
	if p.cause != nil {
		return string(p.Code) + ": " + p.cause.Error()
	}
	return string(p.Code) + ": " + p.Detail
}

func (p *Problem) Unwrap() error { return p.cause }

func (p *Problem) GetStatus() int { return p.Status }

func (p *Problem) ContentType(string) string { return problemType }

// newProblem maps an error to a problem: a *social.Fault by its code, errors of the store and expired deadlines by
// codes of their own, errors of the router by status; everything else is internal and its text is kept from the answer.
func newProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var f *social.Fault
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
		Errors: []social.Field{},
	}
	if f.Code == social.CodeValidationFailed {
		p.Errors = f.Fields[:min(len(f.Fields), maxFields):min(len(f.Fields), maxFields)]
	}
	if f.RetryAfter > 0 {
		s := retrySeconds(f.RetryAfter)
		p.RetryAfter = &s
	}
	p.limit = f.Limit
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
func faultOf(err error) *social.Fault {
	var gap *social.GapError
	var routed *fiber.Error
	switch {
	case errors.As(err, &gap):
		return &social.Fault{Code: social.CodeCursorGone, Detail: "Go on from the id in gap.to.", Gap: gap}
	case errors.Is(err, storage.ErrFull), errors.Is(err, storage.ErrReadOnly):
		return social.NewFault(social.CodeStorageFull, "Nothing can be written at the moment; reading goes on.")
	case errors.Is(err, storage.ErrBusy):
		return &social.Fault{Code: social.CodeOverloaded, Detail: "Try again in a moment.", RetryAfter: time.Second}
	case errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrFailed):
		return &social.Fault{Code: social.CodeUnavailable, Detail: "Try again soon.", RetryAfter: 5 * time.Second}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &social.Fault{Code: social.CodeUnavailable, Detail: "The answer took too long.", RetryAfter: time.Second}
	case errors.As(err, &routed):
		return routerFault(routed.Code)
	}
	return internalFault()
}

func internalFault() *social.Fault {
	return social.NewFault(social.CodeInternal, "The server logged the cause under this request id.")
}

// routerFault gives the fault for a status that Fiber or huma decided on.
func routerFault(status int) *social.Fault {
	switch status {
	case 404:
		return social.NotFound()
	case 405:
		return social.NewFault(social.CodeMethodNotAllowed, "The header Allow names the methods of this path.")
	case 406:
		return social.NewFault(social.CodeNotAcceptable, "Answers here are application/json.")
	case 408:
		return social.NewFault(social.CodeRequestTimeout, "Send the request faster.")
	case 413:
		return social.NewFault(social.CodeBodyTooLarge, "Send a smaller body.")
	case 415:
		return social.NewFault(social.CodeUnsupportedMediaType, "Send application/json in UTF-8.")
	case 431:
		return social.NewFault(social.CodeHeadersTooLarge, "Send fewer or shorter headers.")
	}
	if status >= 400 && status < 500 {
		return social.NewFault(social.CodeBadRequest, "The request cannot be understood.")
	}
	return internalFault()
}

func retrySeconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }

// headers calls set for the headers that go with a problem.
func (p *Problem) headers(set func(name, value string)) {
	if p.RetryAfter != nil {
		set(fiber.HeaderRetryAfter, strconv.FormatInt(*p.RetryAfter, 10))
	}
	if p.limit != nil {
		p.limit(set)
	}
	if p.Status == fiber.StatusUnauthorized {
		set(fiber.HeaderWWWAuthenticate, `Bearer realm="belfry"`)
	}
}

// write makes p the answer, in place of whatever was there. Outside the API a browser is shown a page.
func (p *Problem) write(c *fasthttp.RequestCtx) {
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: only strings and numbers
		body = []byte(`{"code":"internal","status":500}`)
	}
	mime := problemType
	if wantsPage(c) {
		mime, body = fiber.MIMETextHTMLCharsetUTF8, problemPage(p.Title, p.Detail, string(p.Code)+", request "+p.RequestID)
	}
	c.Response.ResetBody()
	c.Response.SetStatusCode(p.Status)
	c.Response.Header.Del(fiber.HeaderETag)
	c.Response.Header.SetContentType(mime)
	c.Response.Header.Set(fiber.HeaderCacheControl, "no-store")
	p.headers(c.Response.Header.Set)
	c.Response.SetBody(body)
}
