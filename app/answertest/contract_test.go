package answertest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/answertest"
)

const document = `{"openapi": "3.1.0", "paths": {
  "/v1/notes/{id}": {"get": {"responses": {
    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}},
    "304": {"description": "."},
    "404": {"$ref": "#/components/responses/Problem"},
    "default": {"$ref": "#/components/responses/Problem"}}}},
  "/v1/notes/count": {"get": {"responses": {
    "200": {"content": {"application/json": {"schema": {"type": "integer"}}}}}}},
  "/v1/events": {"get": {"responses": {
    "200": {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}}}},
 "components": {
  "responses": {"Problem": {"content": {"application/problem+json": {
    "schema": {"$ref": "#/components/schemas/Problem"}}}}},
  "schemas": {
    "Note": {"type": "object", "required": ["text", "at"], "properties": {"text": {"type": ["string", "null"]},
      "at": {"type": "string", "format": "date-time"}}},
    "Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string", "enum": ["lost"]}}},
    "Event": {"oneOf": [{"$ref": "#/components/schemas/EventNote"}]},
    "EventNote": {"type": "object", "required": ["type", "data"], "properties": {
      "type": {"type": "string", "enum": ["note"]}, "data": {"$ref": "#/components/schemas/Note"}}},
    "Ready": {"type": "object", "required": ["cursor"], "properties": {"cursor": {"type": "string"}}}}}}`

// TestAnswer: right answers pass, and one wrong in a single thing does not.
func TestAnswer(t *testing.T) {
	c, err := answertest.New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	const asJSON, asProblem = "application/json; charset=utf-8", "application/problem+json"
	const note = `{"text":null,"at":"2026-05-04T10:11:12.345Z"}`
	for _, tt := range []struct {
		name, method, path string
		status             int
		media, body, fault string
	}{
		{"right", "GET", "/v1/notes/1", 200, asJSON, note, ""},
		{"head", "HEAD", "/v1/notes/1", 200, asJSON, "", ""},
		{"not modified", "GET", "/v1/notes/1", 304, "", "", ""},
		{"a word wins over a parameter", "GET", "/v1/notes/count", 200, asJSON, "7", ""},
		{"a declared problem", "GET", "/v1/notes/1", 404, asProblem, `{"code":"lost"}`, ""},
		{"no such route", "GET", "/v1/nowhere", 404, asProblem, `{"code":"lost"}`, ""},
		{"a page", "GET", "/", 200, "text/html", "<p>", ""},
		{"a stream that ended", "GET", "/v1/events", 200, "text/event-stream",
			"event: ready\ndata: {\"cursor\":\"1-0\"}\n\nid: 1-1\nevent: note\ndata: {\"type\":\"note\",\"data\":" + note +
				"}\n\n", ""},

		{"null", "GET", "/v1/notes/1", 200, asJSON, `{"text":"","at":null}`, "got null, want string"},
		{"no time", "GET", "/v1/notes/1", 200, asJSON, `{"text":"","at":"today"}`, "not valid date-time"},
		{"missing", "GET", "/v1/notes/1", 200, asJSON, `{"text":""}`, "missing property 'at'"},
		{"unknown member", "GET", "/v1/notes/1", 200, asJSON, `{"x":1,` + note[1:], "additional properties 'x'"},
		{"no JSON", "GET", "/v1/notes/1", 200, asJSON, `{`, "no JSON"},
		{"no body", "GET", "/v1/notes/1", 200, asJSON, "", "no JSON"},
		{"undeclared status", "GET", "/v1/notes/1", 403, asProblem, `{"code":"lost"}`, "does not declare status 403"},
		{"undeclared media type", "GET", "/v1/notes/1", 200, "text/plain", "x", "does not declare \"text/plain\""},
		{"problem as JSON", "GET", "/v1/notes/1", 404, asJSON, `{"code":"lost"}`, "want a problem"},
		{"unknown code", "GET", "/v1/notes/1", 404, asProblem, `{"code":"x"}`, "value must be"},
		{"unknown code of no route", "GET", "/nowhere", 404, asProblem, `{"code":"x"}`, "value must be"},
		{"undocumented route", "GET", "/v1/nowhere", 200, asJSON, `{}`, "no operation"},
		{"undocumented method", "POST", "/v1/notes/1", 200, asJSON, note, "no operation"},
		{"a wrong block", "GET", "/v1/events", 200, "text/event-stream", "event: ready\ndata: {}\n\n",
			"missing property 'cursor'"},
		{"a block of another name", "GET", "/v1/events", 200, "text/event-stream",
			"event: other\ndata: {\"type\":\"note\",\"data\":" + note + "}\n\n", "a block named"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.Answer(tt.method, tt.path, tt.status, tt.media, []byte(tt.body))
			if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want %q", err, tt.fault)
			}
		})
	}
	if _, err := answertest.New([]byte("[]")); err == nil {
		t.Error("a list passed as a document")
	}
}

func TestFaults(t *testing.T) {
	name := filepath.Join(t.TempDir(), "faults")
	if text, err := answertest.Faults(name); text != "" || err != nil {
		t.Errorf("nothing written: %q, %v", text, err)
	}
	if err := os.WriteFile(name, []byte("a fault\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := answertest.Faults(name); text != "a fault\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}
