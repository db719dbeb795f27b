package answertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is an OpenAPI document as a machine reads it. It may be used from many goroutines.
type Contract struct {
	paths     map[string]any
	templates []template

	mu       sync.Mutex // compiler and compiled
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // by JSON Pointer
}

// template is a path of the document in parts.
type template struct {
	path  string
	parts []string
}

const (
	base        = "https://belfry.test/openapi.json"
	problemMIME = "application/problem+json"
	streamMIME  = "text/event-stream"
)

// New reads a document. Its schemas are compiled when an answer asks for them.
func New(document []byte) (*Contract, error) {
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("answertest: document: %w", err)
	}
	tree, ok := read.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("answertest: the document is a %T", read)
	}
	closeObjects(tree["components"])
	c := &Contract{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(base, tree); err != nil {
		return nil, fmt.Errorf("answertest: document: %w", err)
	}
	c.paths, _ = tree["paths"].(map[string]any)
	for path := range c.paths {
		c.templates = append(c.templates, template{path, strings.Split(path, "/")})
	}
	// A word wins over a parameter, as in routing: "{" sorts behind all letters.
	slices.SortFunc(c.templates, func(a, b template) int { return slices.Compare(a.parts, b.parts) })
	return c, nil
}

// closeObjects refuses members that the document does not name. Clients have to take them, since answers may grow; our
// own answers have none that are not described.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, said := v["additionalProperties"]; !said && v["properties"] != nil && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			closeObjects(e)
		}
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	}
}

// Answer checks one answer; nil = it is as the document says. HEAD goes with GET. Outside /v1, and where no operation
// is, only the form of problems is checked.
func (c *Contract) Answer(method, path string, status int, contentType string, body []byte) error {
	media, _, _ := mime.ParseMediaType(contentType)
	head := method == "HEAD"
	if head {
		method = "GET"
	}
	name, operation := c.operation(method, path)
	if operation == nil {
		switch {
		case media == problemMIME:
			return c.validate("/components/schemas/Problem", body)
		case strings.HasPrefix(path, "/v1/"):
			return fmt.Errorf("status %d of no operation in the document, as %q", status, contentType)
		}
		return nil
	}
	responses, _ := operation["responses"].(map[string]any)
	pointer := "/paths/" + escape(name) + "/" + strings.ToLower(method) + "/responses/" + strconv.Itoa(status)
	response, ok := responses[strconv.Itoa(status)].(map[string]any)
	if !ok {
		return fmt.Errorf("the document does not declare status %d: %.300s", status, body)
	}
	if ref, ok := response["$ref"].(string); ok {
		if pointer = strings.TrimPrefix(ref, "#"); pointer != "/components/responses/Problem" {
			return fmt.Errorf("status %d refers to %s", status, ref)
		}
		if media != problemMIME {
			return fmt.Errorf("status %d is %q, want a problem: %.300s", status, contentType, body)
		}
		return c.validate("/components/schemas/Problem", body)
	}
	content, _ := response["content"].(map[string]any)
	switch {
	case len(body) == 0 && (len(content) == 0 || head):
		return nil
	case content[media] == nil:
		return fmt.Errorf("the document does not declare %q for status %d: %.300s", contentType, status, body)
	case media == streamMIME:
		return c.stream(body)
	}
	return c.validate(pointer+"/content/"+escape(media)+"/schema", body)
}

// operation is the operation of a request; nil = there is none.
func (c *Contract) operation(method, path string) (string, map[string]any) {
	parts := strings.Split(path, "/")
	for _, t := range c.templates {
		if !slices.EqualFunc(t.parts, parts, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, "{") && got != ""
		}) {
			continue
		}
		item, _ := c.paths[t.path].(map[string]any)
		if operation, ok := item[strings.ToLower(method)].(map[string]any); ok {
			return t.path, operation
		}
	}
	return "", nil
}

// stream checks a whole stream that has ended.
func (c *Contract) stream(body []byte) error {
	for block := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		var event, data string
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				event = value
			case "data":
				data = value
			}
		}
		if err := c.Block(event, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}

// Block checks the data of one block of an event stream.
func (c *Contract) Block(event string, data []byte) error {
	schema, control := map[string]string{"ready": "Ready", "gap": "Gap", "bye": "Bye"}[event]
	if !control {
		schema = "Event"
		var e struct{ Type string }
		if err := json.Unmarshal(data, &e); err != nil || e.Type != event {
			return fmt.Errorf("a block named %q holds %.300s", event, data)
		}
	}
	return c.validate("/components/schemas/"+schema, data)
}

// validate holds JSON against the schema at a JSON Pointer of the document.
func (c *Contract) validate(pointer string, body []byte) error {
	c.mu.Lock()
	schema, ok := c.compiled[pointer]
	if !ok {
		var err error
		if schema, err = c.compiler.Compile(base + "#" + pointer); err != nil {
			c.mu.Unlock()
			return fmt.Errorf("schema %s: %w", pointer, err)
		}
		c.compiled[pointer] = schema
	}
	c.mu.Unlock()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w: %.300s", err, body)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%w\n%.600s", err, body)
	}
	return nil
}

// escape makes one part of a JSON Pointer in a URI fragment.
func escape(part string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
}
