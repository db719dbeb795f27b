package server

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
)

// maxJSONDepth bounds how deep arrays and objects of a request body may be nested.
const maxJSONDepth = 32

// strictJSON reads a request body by the rules of the API, which are narrower than encoding/json's: one value,
// valid UTF-8, no key twice in an object, no lone surrogate, no number beyond a float64, at most maxJSONDepth
// levels; anything else is the fault invalid_json. A string with a control character other than tab and line
// feed is the fault validation_failed, naming every such place.
//
// The result is the body with its string values in NFC and, if dropNull is set, without the members of the
// outermost object that are null (null on POST means absent). A body that needs no change is returned as it is;
// whatever is returned, encoding/json decodes.
func strictJSON(body []byte, dropNull bool) ([]byte, error) {
	s := jsonScanner{in: body, out: make([]byte, 0, len(body)), dropNull: dropNull}
	s.space()
	if !s.value(0) {
		return nil, social.NewFault(social.CodeInvalidJSON, "The body is not valid JSON: "+s.why+".")
	}
	s.space()
	if s.pos != len(s.in) {
		return nil, social.NewFault(social.CodeInvalidJSON, "The body is not valid JSON: something follows the value.")
	}
	if len(s.bad) > 0 {
		return nil, social.Invalid(s.bad...)
	}
	if bytes.Equal(s.out, body) {
		return body, nil
	}
	return s.out, nil
}

// jsonScanner is one pass over a body. Its methods report false, with why set, where the text is not JSON.
type jsonScanner struct {
	in       []byte
	pos      int
	out      []byte
	path     []string // member names and indexes down to the current value
	bad      []social.Field
	dropNull bool
	why      string
}

func (s *jsonScanner) fail(why string) bool {
	if s.why == "" {
		s.why = why
	}
	return false
}

// space copies white space.
func (s *jsonScanner) space() {
	from := s.pos
	for s.pos < len(s.in) {
		switch s.in[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
			continue
		}
		break
	}
	s.out = append(s.out, s.in[from:s.pos]...)
}

// eat copies c if it comes next.
func (s *jsonScanner) eat(c byte) bool {
	if s.pos < len(s.in) && s.in[s.pos] == c {
		s.pos++
		s.out = append(s.out, c)
		return true
	}
	return false
}

func (s *jsonScanner) value(depth int) bool {
	if s.pos == len(s.in) {
		return s.fail("it ends too early")
	}
	if depth == maxJSONDepth && (s.in[s.pos] == '{' || s.in[s.pos] == '[') {
		return s.fail("it is nested too deep")
	}
	switch c := s.in[s.pos]; c {
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || (c >= '0' && c <= '9') {
			return s.number()
		}
		return s.fail("a value is missing")
	}
}

func (s *jsonScanner) word(w string) bool {
	if !bytes.HasPrefix(s.in[s.pos:], []byte(w)) {
		return s.fail("a value is missing")
	}
	s.pos += len(w)
	s.out = append(s.out, w...)
	return true
}

func (s *jsonScanner) array(depth int) bool {
	s.eat('[')
	s.space()
	if s.eat(']') {
		return true
	}
	for i := 0; ; i++ {
		s.path = append(s.path, strconv.Itoa(i))
		s.space()
		if !s.value(depth + 1) {
			return false
		}
		s.path = s.path[:len(s.path)-1]
		s.space()
		if s.eat(']') {
			return true
		}
		if !s.eat(',') {
			return s.fail("a comma is missing")
		}
	}
}

func (s *jsonScanner) object(depth int) bool {
	s.eat('{')
	s.space()
	if s.eat('}') {
		return true
	}
	seen := map[string]struct{}{}
	for kept := 0; ; {
		mark := len(s.out)
		if kept > 0 {
			s.out = append(s.out, ',')
		}
		null, ok := s.member(depth, seen)
		if !ok {
			return false
		}
		if null && s.dropNull && depth == 0 {
			s.out = s.out[:mark]
		} else {
			kept++
		}
		if s.pos < len(s.in) && s.in[s.pos] == ',' {
			s.pos++
			continue
		}
		if s.eat('}') {
			return true
		}
		return s.fail("a comma is missing")
	}
}

// member copies one name and its value with the white space around them, and reports whether the value is null.
func (s *jsonScanner) member(depth int, seen map[string]struct{}) (null, ok bool) {
	s.space()
	if s.pos == len(s.in) || s.in[s.pos] != '"' {
		return false, s.fail("a member name is missing")
	}
	from := s.pos
	name, _, ok := s.unquote()
	if !ok {
		return false, false
	}
	s.out = append(s.out, s.in[from:s.pos]...)
	if _, twice := seen[name]; twice {
		return false, s.fail("an object has the same member twice")
	}
	seen[name] = struct{}{}
	s.path = append(s.path, name)
	if hasControl(name) {
		s.refuse()
	}
	s.space()
	if !s.eat(':') {
		return false, s.fail("a colon is missing")
	}
	s.space()
	null = s.pos < len(s.in) && s.in[s.pos] == 'n'
	if !s.value(depth + 1) {
		return false, false
	}
	s.path = s.path[:len(s.path)-1]
	s.space()
	return null, true
}

// text copies a string value, in NFC.
func (s *jsonScanner) text() bool {
	from := s.pos
	v, plain, ok := s.unquote()
	if !ok {
		return false
	}
	if plain {
		s.out = append(s.out, s.in[from:s.pos]...)
		return true
	}
	if hasControl(v) {
		s.refuse()
	}
	if norm.NFC.IsNormalString(v) {
		s.out = append(s.out, s.in[from:s.pos]...)
		return true
	}
	quoted, err := json.Marshal(norm.NFC.String(v))
	if err != nil {
		return s.fail("a string cannot be read")
	}
	s.out = append(s.out, quoted...)
	return true
}

func (s *jsonScanner) refuse() {
	if len(s.bad) < maxFields {
		s.bad = append(s.bad, social.BodyField(jsonPointer(s.path), social.FieldBadFormat,
			"No control characters other than tab and line feed."))
	}
}

// unquote reads a string literal without copying it. plain means: ASCII without escapes.
func (s *jsonScanner) unquote() (v string, plain, ok bool) {
	from := s.pos + 1
	plain = true
	i := from
	for ; ; i++ {
		if i >= len(s.in) {
			return "", false, s.fail("a string has no end")
		}
		c := s.in[i]
		if c == '"' {
			break
		}
		if c < ' ' {
			return "", false, s.fail("a string has a raw control character")
		}
		if c == '\\' {
			plain = false
			i++
		} else if c >= utf8.RuneSelf {
			plain = false
		}
	}
	raw := s.in[from:i]
	s.pos = i + 1
	if plain {
		return string(raw), true, true
	}
	v, ok = s.unescape(raw)
	return v, false, ok
}

// unescape decodes what stands between the quotes.
func (s *jsonScanner) unescape(raw []byte) (string, bool) {
	if !utf8.Valid(raw) {
		return "", s.fail("it is not valid UTF-8")
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			i++
			continue
		}
		c := raw[i+1]
		i += 2
		if k := strings.IndexByte(`"\/bfnrt`, c); k >= 0 {
			b.WriteByte("\"\\/\b\f\n\r\t"[k])
			continue
		}
		r, n, ok := hexRune(raw[i:], c)
		if !ok {
			return "", s.fail("a string has a bad escape")
		}
		i += n
		if utf16.IsSurrogate(r) {
			if i+6 > len(raw) || raw[i] != '\\' {
				return "", s.fail("a string has half a surrogate pair")
			}
			low, n, ok := hexRune(raw[i+2:], raw[i+1])
			if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
				return "", s.fail("a string has half a surrogate pair")
			}
			i += 2 + n
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// hexRune reads the four digits of a \u escape; kind is the letter after the backslash.
func hexRune(b []byte, kind byte) (r rune, n int, ok bool) {
	if kind != 'u' || len(b) < 4 {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(v), 4, err == nil
}

// number copies a number that fits a float64.
func (s *jsonScanner) number() bool {
	from := s.pos
	digits := func() bool {
		at := s.pos
		for s.pos < len(s.in) && s.in[s.pos] >= '0' && s.in[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > at
	}
	skip := func(set string) bool {
		if s.pos < len(s.in) && strings.IndexByte(set, s.in[s.pos]) >= 0 {
			s.pos++
			return true
		}
		return false
	}
	skip("-")
	if !skip("0") && !digits() {
		return s.fail("a number cannot be read")
	}
	if skip(".") && !digits() {
		return s.fail("a number cannot be read")
	}
	if skip("eE") {
		skip("+-")
		if !digits() {
			return s.fail("a number cannot be read")
		}
	}
	f, err := strconv.ParseFloat(string(s.in[from:s.pos]), 64)
	if err != nil || math.IsInf(f, 0) {
		return s.fail("a number is too large")
	}
	s.out = append(s.out, s.in[from:s.pos]...)
	return true
}

// hasControl reports a character of U+0000..U+001F other than tab and line feed.
func hasControl(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' && v[i] != '\t' && v[i] != '\n' {
			return true
		}
	}
	return false
}

// jsonPointer joins a path to a JSON Pointer (RFC 6901). Names come from the client: each is cut, so that an
// answer stays small.
func jsonPointer(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(clip(name, 64)))
	}
	return b.String()
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

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
