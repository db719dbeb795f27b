package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestH22JSON: bodies that are not the JSON we take.
func TestH22JSON(t *testing.T) {
	s := newSite(t)
	deepArray := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	for name, body := range map[string]string{
		"cut":                       `{"text":"a"`,
		"trailing bytes":            `{"text":"a"} x`,
		"two values":                `{}{}`,
		"duplicate member":          `{"text":"a","text":"b"}`,
		"duplicate behind escape":   `{"text":"a","\u0074ext":"b"}`,
		"duplicate below":           `{"deep":{"name":"aa","name":"bb"}}`,
		"10,000 levels":             `{"deep":` + deepArray + `}`,
		"33 levels":                 `{"deep":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`,
		"1e999":                     `{"count":1e999}`,
		"NaN":                       `{"count":NaN}`,
		"Infinity":                  `{"count":-Infinity}`,
		"leading zero":              `{"count":01}`,
		"plus sign":                 `{"count":+1}`,
		"hex":                       `{"count":0x1}`,
		"lone high surrogate":       `{"text":"\ud83d"}`,
		"lone low surrogate":        `{"text":"\ude00"}`,
		"high then high":            `{"text":"\ud83d\ud83d"}`,
		"surrogate then letter":     `{"text":"\ud83dx"}`,
		"surrogate in a name":       `{"\ud83d":1}`,
		"raw NUL":                   "{\"text\":\"a\x00\"}",
		"raw line feed":             "{\"text\":\"a\n\"}",
		"bad UTF-8":                 "{\"text\":\"\xff\xfe\"}",
		"overlong UTF-8":            "{\"text\":\"\xc0\xaf\"}",
		"surrogate in UTF-8":        "{\"text\":\"\xed\xa0\x80\"}",
		"byte order mark":           "\ufeff{}",
		"comment":                   `{/* a */}`,
		"trailing comma":            `{"text":"a",}`,
		"single quotes":             `{'text':'a'}`,
		"bad escape":                `{"text":"\x41"}`,
		"short escape":              `{"text":"\u00"}`,
		"no value":                  `   `,
		"nothing where one is due":  ``,
		"word":                      `nul`,
		"open string":               `{"text":"a\`,
		"something after the array": `[1 2]`,
	} {
		t.Run(name, func(t *testing.T) {
			s.wantProblem(s.do("POST", "/v1/notes", body, "Content-Type", "application/json"), 400, social.CodeInvalidJSON)
		})
	}
}

// TestFields: well-formed bodies and queries that are refused, with the pointer, code and text of each field.
func TestFields(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct{ name, method, target, body, want string }{
		{"unknown", "POST", "/v1/notes", `{"is_admin":true}`, "body /is_admin unknown_field"},
		{"other letter case", "POST", "/v1/notes", `{"TEXT":"a"}`, "body /TEXT unknown_field"},
		{"two unknown, in order", "POST", "/v1/notes", `{"id":1,"author_id":2}`,
			"body /author_id unknown_field, body /id unknown_field"},
		{"unknown with dots and slashes", "POST", "/v1/notes", `{"a.b[0]/c~":1}`, "body /a.b[0]~1c~0 unknown_field"},
		{"unknown below", "POST", "/v1/notes", `{"deep":{"name":"aa","x":1}}`, "body /deep/x unknown_field"},
		{"unknown, very long", "POST", "/v1/notes", `{"` + strings.Repeat("n", 900) + `":1}`, "body /" + strings.Repeat("n",
			64) + " unknown_field"},
		{"too long", "POST", "/v1/notes", `{"text":"` + strings.Repeat("ä", 21) + `"}`,
			"body /text too_long (At most 20 characters.)"},
		{"code points, not bytes", "POST", "/v1/notes", `{"text":"` + strings.Repeat("ä", 20) + `"}`, ""},
		{"too small", "POST", "/v1/notes", `{"count":0}`, "body /count too_small (At least 1.)"},
		{"too large", "POST", "/v1/notes", `{"count":10}`, "body /count too_large (At most 9.)"},
		{"wrong type", "POST", "/v1/notes", `{"count":"9","text":9}`, "body /count wrong_type, body /text wrong_type"},
		{"not whole", "POST", "/v1/notes", `{"count":1.5}`, "body /count wrong_type"},
		{"whole with a fraction", "POST", "/v1/notes", `{"count":1.0}`, "body /count wrong_type"},
		{"text its type refuses", "POST", "/v1/notes", `{"at":"yesterday"}`, "body /at bad_format"},
		{"text its type refuses, below", "POST", "/v1/notes", `{"deep":{"name":"aa","at":"yesterday"}}`,
			"body /deep/at bad_format"},
		{"not of the list", "POST", "/v1/notes", `{"kind":"secret"}`, `body /kind bad_format (One of a, b.)`},
		{"too many", "POST", "/v1/notes", `{"tags":["a","b","c"]}`, "body /tags too_many (At most 2 items.)"},
		{"item of wrong type", "POST", "/v1/notes", `{"tags":["a",2]}`, "body /tags/1 wrong_type"},
		{"required below", "POST", "/v1/notes", `{"deep":{}}`, "body /deep/name required"},
		{"too short below", "POST", "/v1/notes", `{"deep":{"name":"a"}}`,
			"body /deep/name too_short (At least 2 characters.)"},
		{"not an object", "POST", "/v1/notes", `[]`, "body  wrong_type"},
		{"null for a body", "POST", "/v1/notes", `null`, "body  wrong_type"},
		{"escaped NUL", "POST", "/v1/notes", `{"text":"a\u0000"}`, "body /text bad_format"},
		{"carriage return", "POST", "/v1/notes", `{"text":"a\r\nb"}`, "body /text bad_format"},
		{"control below", "POST", "/v1/notes", `{"tags":["ok","\u001b[31m"]}`, "body /tags/1 bad_format"},
		{"control in a name", "POST", "/v1/notes", `{"a\u0007":1}`, "body /a\u0007 bad_format"},
		{"tab and line feed", "POST", "/v1/notes", `{"text":"a\tb\nc"}`, ""},
		{"long key", "POST", "/v1/notes", `{}`, ""},
		{"unknown parameter", "GET", "/v1/notes?page=2&limi=3", "", "query /limi unknown_field, query /page unknown_field"},
		{"H25 twice", "GET", "/v1/notes?limit=1&limit=1", "", "query /limit duplicate"},
		{"H25 negative", "GET", "/v1/notes?limit=-1", "", "query /limit too_small (At least 1.)"},
		{"H25 zero", "GET", "/v1/notes?limit=0", "", "query /limit too_small (At least 1.)"},
		{"H25 1e9", "GET", "/v1/notes?limit=1e9", "", "query /limit bad_format"},
		{"H25 1000000000", "GET", "/v1/notes?limit=1000000000", "", "query /limit too_large (At most 100.)"},
		{"H25 beyond 64 bits", "GET", "/v1/notes?limit=99999999999999999999", "", "query /limit bad_format"},
		{"H25 abc", "GET", "/v1/notes?limit=abc", "", "query /limit bad_format"},
		{"control in the query", "GET", "/v1/notes?q=a%00b", "", "query /q bad_format"},
		{"bad UTF-8 in the query", "GET", "/v1/notes?q=%ff", "", "query /q bad_format"},
		{"ordinary query", "GET", "/v1/notes?q=a%20b&limit=100", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, tt.target, tt.body)
			if tt.want == "" {
				if a.StatusCode != 200 {
					t.Fatalf("got %d %s, want 200", a.StatusCode, a.body)
				}
				return
			}
			p := s.wantProblem(a, 422, social.CodeValidationFailed)
			var got []string
			for _, f := range p.Errors {
				line := f.In + " " + f.Pointer + " " + string(f.Code)
				if strings.Contains(tt.want, "(") {
					line += " (" + f.Detail + ")"
				}
				got = append(got, line)
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("the refused value is repeated: %s", a.body)
			}
		})
	}
	if a := s.do("GET", "/v1/notes?q=%zz", ""); a.StatusCode != 400 {
		t.Errorf("a malformed query: got %d", a.StatusCode)
	}
	for key, want := range map[string]int{"fine-Key_1!": 200, "with space": 422, "t\tb": 422, strings.Repeat("k",
		255): 200, strings.Repeat("k", 256): 422} {
		if a := s.do("POST", "/v1/notes", "{}", "Idempotency-Key", key); a.StatusCode != want {
			t.Errorf("Idempotency-Key %q: got %d %s, want %d", key, a.StatusCode, a.body, want)
		}
	}
}

// H24: forms are not taken, whatever they hold; nor is JSON in another encoding.
func TestMediaTypes(t *testing.T) {
	s := newSite(t)
	for _, ct := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain",
		"application/xml",
		"application/json; charset=latin1", "application/problem+json", "application/octet-stream", "nonsense;;", ""} {
		a := s.do("POST", "/v1/notes", "user[0][9999999999]=1&a[-1]=2", "Content-Type", ct)
		s.wantProblem(a, 415, social.CodeUnsupportedMediaType)
	}
	s.wantProblem(s.do("POST", "/v1/notes", "{}", "Content-Encoding", "gzip"), 415, social.CodeUnsupportedMediaType)
	for _, ct := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
		"Application/JSON"} {
		if a := s.do("POST", "/v1/notes", "{}", "Content-Type", ct); a.StatusCode != 200 {
			t.Errorf("%s: got %d %s", ct, a.StatusCode, a.body)
		}
	}
	if a := s.do("PUT", "/v1/notes/1/mark", ""); a.StatusCode != 204 {
		t.Errorf("an empty body where one may be left out: got %d %s", a.StatusCode, a.body)
	}
	if a := s.do("PUT", "/v1/notes/1/mark", "{}"); a.StatusCode != 204 {
		t.Errorf("{} where a body may be left out: got %d %s", a.StatusCode, a.body)
	}
}

// TestBodyForm: what a handler gets of a body.
func TestBodyForm(t *testing.T) {
	s := newSite(t)
	for _, tt := range []struct{ name, method, body, want string }{
		{"NFC", "POST", `{"text":"e\u0301"}`, `"text":"é"`},
		{"NFC of raw text", "POST", "{\"text\":\"e\u0301\"}", `"text":"é"`},
		{"null is absent on POST", "POST", `{"text":null,"warning":null,"count":2}`, `"body":{"count":2}`},
		{"only null on POST", "POST", `{"text":null}`, `"body":{}`},
		{"null below the outermost object stays", "POST", `{"deep":{"name":"aa","at":null}}`,
			`"raw":"{\"deep\":{\"name\":\"aa\",\"at\":null}}"`},
		{"null stays on PATCH", "PATCH", `{"text":null}`, `{"text":null}`},
		{"astral", "POST", `{"text":"\ud83d\ude00"}`, `"text":"😀"`},
		{"the raw body as it came", "POST", `{ "text" : "a" }`, `"raw":"{ \"text\" : \"a\" }"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, "/v1/notes", tt.body)
			if a.StatusCode != 200 || !strings.Contains(a.body, tt.want) {
				t.Errorf("got %d %s\nwant %s", a.StatusCode, a.body, tt.want)
			}
		})
	}
	// Null below the outermost object is data, not absence.
	if a := s.do("PATCH", "/v1/notes", `{"a":{"b":null}}`); a.body != `{"a":{"b":null}}` {
		t.Errorf("got %s", a.body)
	}
	// However many fields are refused, the answer stays small.
	var wide strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&wide, `,"m%d":1`, i)
	}
	p := s.wantProblem(s.do("POST", "/v1/notes", "{"+wide.String()[1:]+"}"), 422, social.CodeValidationFailed)
	if len(p.Errors) != 32 {
		t.Errorf("5,000 refused fields: %d are named, want 32", len(p.Errors))
	}
}
