package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
)

// maxJSONDepth bounds how deep arrays and objects of a request body may be nested.
const maxJSONDepth = 32

// strictJSON holds a request body against the rules of the API, which are narrower than encoding/json's: one value,
// valid UTF-8, no name twice in an object, no lone surrogate, no number beyond a float64, at most maxJSONDepth levels;
// anything else is the fault invalid_json. A string with a control character other than tab and line feed is the
// fault validation_failed, naming every such string.
//
// The result is the body with its string values in NFC and, if dropNull is set, without the members of the outermost
// object that are null (null on POST means absent). A body that needs no change is returned as it is.
func strictJSON(body []byte, dropNull bool) ([]byte, error) {
	s := bodyReader{body: body, in: jsontext.NewDecoder(bytes.NewBuffer(body)), dropNull: dropNull}
	for first := true; first || s.in.StackDepth() > 0; first = false {
		if err := s.next(); err != nil {
			return nil, s.fault(err)
		}
	}
	if len(bytes.TrimLeft(body[s.in.InputOffset():], " \t\r\n")) > 0 {
		return nil, s.fault(errTrailing)
	}
	if len(s.bad) > 0 {
		return nil, social.Invalid(s.bad...)
	}
	if s.copied == 0 {
		return body, nil
	}
	return append(s.out, body[s.copied:]...), nil
}

// What the library lets through. The texts end the sentence of a fault.
var (
	errTrailing = errors.New("something follows the value")
	errTooDeep  = errors.New("it is nested too deep")
	errNumber   = errors.New("a number is too large")
)

// bodyReader is one pass over a body.
type bodyReader struct {
	body     []byte
	in       *jsontext.Decoder
	out      []byte // body[:copied] with its changes
	copied   int64
	dropNull bool
	kept     bool // a member of the outermost object
	bad      []social.Field
}

func (s *bodyReader) replace(from, to int64, text []byte) {
	s.out = append(append(s.out, s.body[s.copied:from]...), text...)
	s.copied = to
}

// next reads a bracket, or a name or scalar.
func (s *bodyReader) next() error {
	from := s.in.InputOffset()
	switch s.in.PeekKind() {
	case jsontext.KindBeginObject, jsontext.KindBeginArray, jsontext.KindEndObject, jsontext.KindEndArray:
		_, err := s.in.ReadToken()
		if s.in.StackDepth() > maxJSONDepth {
			return errTooDeep
		}
		return err
	}
	raw, err := s.in.ReadValue()
	if err != nil {
		return err
	}
	switch raw.Kind() {
	case jsontext.KindNumber:
		if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
			return errNumber
		}
	case jsontext.KindString:
		depth := s.in.StackDepth()
		kind, read := s.in.StackIndex(depth)
		name := kind == jsontext.KindBeginObject && read%2 == 1
		s.text(raw, name)
		if name && depth == 1 && s.dropNull {
			return s.member(from, s.in.InputOffset()-int64(len(raw)))
		}
	}
	return nil
}

// text checks a string and normalises it; names stay as they are.
func (s *bodyReader) text(raw jsontext.Value, name bool) {
	if !slices.ContainsFunc(raw, func(c byte) bool { return c == '\\' || c >= utf8.RuneSelf }) {
		return
	}
	v, _ := jsontext.AppendUnquote(nil, raw) // it was read as a string
	if bytes.ContainsFunc(v, isControl) && len(s.bad) < maxFields {
		s.bad = append(s.bad, social.BodyField(clipPointer(s.in.StackPointer()), social.FieldBadFormat,
			"No control characters other than tab and line feed."))
	}
	if !name && !norm.NFC.IsNormal(v) {
		quoted, _ := jsontext.AppendQuote(nil, norm.NFC.Bytes(v)) // valid UTF-8
		to := s.in.InputOffset()
		s.replace(to-int64(len(raw)), to, quoted)
	}
}

// member is called for each member of the outermost object, whose name begins at name: from is the end of what
// comes before. One that is null is left out, with a comma.
func (s *bodyReader) member(from, name int64) error {
	if s.in.PeekKind() == jsontext.KindNull {
		_, err := s.in.ReadToken()
		s.replace(from, s.in.InputOffset(), nil)
		return err
	}
	if !s.kept && s.copied > 0 {
		s.replace(from, name, nil) // the comma of the first one kept
	}
	s.kept = true
	return nil
}

// fault says where a body ends to be the JSON that is taken. The library's own words may quote the body and are
// dropped.
func (s *bodyReader) fault(err error) error {
	at, why := s.in.InputOffset(), "it cannot be read"
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at = syntax.ByteOffset
	}
	switch {
	case errors.Is(err, errTrailing), errors.Is(err, errTooDeep), errors.Is(err, errNumber):
		why = err.Error()
	case errors.Is(err, jsontext.ErrDuplicateName):
		why = "an object has the same member twice"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		why = "it ends too early"
	}
	return social.NewFault(social.CodeInvalidJSON, fmt.Sprintf("The body is not valid JSON: %s (byte %d).", why, at))
}

// decodeJSON fills a handler's input from a body that strictJSON let through. Its error names the member that does
// not fit, in the form of fieldMessage: 1.0 for a whole number, or text that a type of its own refuses.
func decodeJSON(data []byte, into any) error {
	err := jsonv2.Unmarshal(data, into)
	var wrong *jsonv2.SemanticError
	if !errors.As(err, &wrong) {
		return err
	}
	code := social.FieldWrongType
	if wrong.JSONKind == jsontext.KindString {
		code = social.FieldBadFormat
	}
	return errors.New(fieldMessage(code, notExpected, clipPointer(wrong.JSONPointer)))
}

// writeJSON writes the form of every answer: encoding/json's own, without a line end. ETags are made of these bytes,
// so a module that compares If-Match gets them with json.Marshal. A body with a method AppendJSON writes itself, in
// the same form.
func writeJSON(w io.Writer, v any) error {
	own, ok := v.(interface {
		AppendJSON(b []byte) ([]byte, error)
	})
	if !ok {
		body, err := json.Marshal(v)
		if err == nil {
			_, err = w.Write(body)
		}
		return err
	}
	buffer, _ := buffers.Get().(*[]byte)
	body, err := own.AppendJSON((*buffer)[:0])
	if err != nil {
		return err
	}
	_, err = w.Write(body) // fasthttp copies it
	if cap(body) <= maxBuffer {
		*buffer = body
		buffers.Put(buffer)
	}
	return err
}

// buffers are for bodies that write themselves: a page of posts is a third of what its request allocates.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

const maxBuffer = 256 << 10 // more is not kept

// isControl reports U+0000..U+001F other than tab and line feed.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' }

// jsonPointer joins a path to a JSON Pointer (RFC 6901). Names come from the client: each is cut, so that an
// answer stays small.
func jsonPointer(path []string) string {
	var p jsontext.Pointer
	for _, name := range path {
		p = p.AppendToken(clip(name, 64))
	}
	return string(p)
}

func clipPointer(p jsontext.Pointer) string { return jsonPointer(slices.Collect(p.Tokens())) }

// clip cuts text to at most n bytes, at a character, and makes it valid UTF-8.
func clip(text string, n int) string {
	if len(text) > n {
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
