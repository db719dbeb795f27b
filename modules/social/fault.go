package social

import (
	"errors"
	"fmt"
	"time"
)

// Code names a kind of problem. The list is closed: it is the contract of the HTTP API (see docs and
// openapi.json). Only app/server knows which HTTP status goes with which code.
type Code string

// The codes a fault may carry.
const (
	CodeBadRequest           Code = "bad_request"
	CodeInvalidJSON          Code = "invalid_json"
	CodeInvalidCursor        Code = "invalid_cursor"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeInvalidToken         Code = "invalid_token"
	CodeInvalidTicket        Code = "invalid_ticket"
	CodeBadCredentials       Code = "bad_credentials"
	CodeInsufficientScope    Code = "insufficient_scope"
	CodeForbidden            Code = "forbidden"
	CodeCrossSite            Code = "cross_site"
	CodeAccountSuspended     Code = "account_suspended"
	CodeRegistrationClosed   Code = "registration_closed"
	CodeWrongPassword        Code = "wrong_password"
	CodeNotFound             Code = "not_found"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeNotAcceptable        Code = "not_acceptable"
	CodeRequestTimeout       Code = "request_timeout"
	CodeUsernameTaken        Code = "username_taken"
	CodeIdempotencyInFlight  Code = "idempotency_in_flight"
	CodeLimitReached         Code = "limit_reached"
	CodeInvalidState         Code = "invalid_state"
	CodeCursorGone           Code = "cursor_gone"
	CodePreconditionFailed   Code = "precondition_failed"
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeValidationFailed     Code = "validation_failed"
	CodeIdempotencyMismatch  Code = "idempotency_mismatch"
	CodeSelfTarget           Code = "self_target"
	CodeRateLimited          Code = "rate_limited"
	CodeHeadersTooLarge      Code = "headers_too_large"
	CodeInternal             Code = "internal"
	CodeOverloaded           Code = "overloaded"
	CodeUnavailable          Code = "unavailable"
	CodeStorageFull          Code = "storage_full"
	CodeMediaRejected        Code = "media_rejected"
)

// FieldCode says what is wrong with one field. The list is closed.
type FieldCode string

// The codes of fields.
const (
	FieldUnknown    FieldCode = "unknown_field"
	FieldRequired   FieldCode = "required"
	FieldWrongType  FieldCode = "wrong_type"
	FieldBadFormat  FieldCode = "bad_format"
	FieldTooShort   FieldCode = "too_short"
	FieldTooLong    FieldCode = "too_long"
	FieldTooSmall   FieldCode = "too_small"
	FieldTooLarge   FieldCode = "too_large"
	FieldTooMany    FieldCode = "too_many"
	FieldDuplicate  FieldCode = "duplicate"
	FieldNotAllowed FieldCode = "not_allowed"
	FieldNotFound   FieldCode = "not_found"
	FieldNotReady   FieldCode = "not_ready"
)

// Field is one refused field. It never repeats the refused value.
type Field struct {
	In      string    `json:"in"`      // body, query, path, header or form
	Pointer string    `json:"pointer"` // JSON Pointer; "/limit" for a query parameter
	Code    FieldCode `json:"code"`
	Detail  string    `json:"detail"`
}

// BodyField is a Field of the request body.
func BodyField(pointer string, code FieldCode, detail string) Field {
	return Field{In: "body", Pointer: pointer, Code: code, Detail: detail}
}

// QueryField is a Field of the query; name is the parameter's.
func QueryField(name string, code FieldCode, detail string) Field {
	return Field{In: "query", Pointer: "/" + name, Code: code, Detail: detail}
}

// Fault is an error a caller may see. Everything else is internal and answered without its text.
// Detail is one sentence for people, without input values, secrets or internals.
type Fault struct {
	Code       Code
	Detail     string
	Fields     []Field       // only with CodeValidationFailed
	RetryAfter time.Duration // 0 = not said
	Gap        *GapError     // only with CodeCursorGone

	// Limit, which only the host sets, gives set the headers of the budget that was refused, with CodeRateLimited.
	Limit func(set func(name, value string))
}

// NewFault returns a fault with code and one sentence.
func NewFault(code Code, detail string) *Fault { return &Fault{Code: code, Detail: detail} }

// NotFound is the fault for what is absent or not visible to this actor. The two are never told apart.
func NotFound() *Fault { return &Fault{Code: CodeNotFound, Detail: "Not found."} }

// Invalid is the fault for refused fields; at least one.
func Invalid(fields ...Field) *Fault {
	d := "1 field was refused."
	if len(fields) > 1 {
		d = "Some fields were refused."
	}
	return &Fault{Code: CodeValidationFailed, Detail: d, Fields: fields}
}

func (f *Fault) Error() string { return string(f.Code) + ": " + f.Detail }

// IsFault reports whether err is, or wraps, a Fault with the code.
func IsFault(err error, code Code) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == code
}

// Wrap says what was attempted when err happened: "posts: publish 0198…: …". nil stays nil, and a fault stays as it
// is: it is for the caller.
func Wrap(err error, format string, args ...any) error {
	if f := (*Fault)(nil); err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
