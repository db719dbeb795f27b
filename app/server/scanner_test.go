package server

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FuzzStrictJSON holds the scanner against encoding/json: whatever it lets through decodes, to the same value with
// every string in NFC; and what encoding/json refuses, it refuses.
func FuzzStrictJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":null,"b":[1,-0.5e-3,true,false,null,"x\u0041\n"],"c":{"d":{}}}`, `[]`, `"\ud83d\ude00"`,
		`{"e\u0301":"e\u0301"}`,
		`{"a":1,"a":2}`, ` {"a" : null , "b" : null } `, `-`, `1e999`, "\"\xff\"", `{"a":null,}`, `"\u0000"`, `[[[[[]]]]]`,
		`0`,
		`{"":null}`, `{"a":{"b":null}}`, `{"~":"/"}`, `"Å"`, `{"a":nul}`, `{"a":"<>& "}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, dropNull bool) {
		before := append([]byte(nil), body...)
		out, err := strictJSON(body, dropNull)
		if string(before) != string(body) {
			t.Fatalf("the input was changed to %q", body)
		}
		var want any
		decodes := json.Unmarshal(body, &want) == nil
		if err != nil {
			return
		}
		if !decodes {
			t.Fatalf("%q passes but does not decode", body)
		}
		if !utf8.Valid(body) {
			t.Fatalf("%q passes but is not UTF-8", body)
		}
		var got any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q became %q, which does not decode: %v", body, out, err)
		}
		want = inNFC(want)
		if object, ok := want.(map[string]any); ok && dropNull {
			for k, v := range object {
				if v == nil {
					delete(object, k)
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q: got %v, want %v", body, out, got, want)
		}
		again, err := strictJSON(out, dropNull)
		if err != nil || string(again) != string(out) {
			t.Fatalf("%q is not stable: %q, %v", out, again, err)
		}
	})
}

// inNFC is v with every string value, not name, in NFC.
func inNFC(v any) any {
	switch v := v.(type) {
	case string:
		return norm.NFC.String(v)
	case []any:
		for i := range v {
			v[i] = inNFC(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = inNFC(v[k])
		}
	}
	return v
}

func BenchmarkStrictJSON(b *testing.B) {
	body := []byte(`{"text":"First light, @bob #harbour, and some more words of an ordinary post",` +
		`"visibility":"public","sensitive":false,"reply_to":null}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := strictJSON(body, true); err != nil {
			b.Fatal(err)
		}
	}
}
