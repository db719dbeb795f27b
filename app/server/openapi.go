package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// schemaPrefix is where the document keeps its schemas.
const schemaPrefix = "#/components/schemas/"

// newDocument begins the OpenAPI document. Operations add themselves as they are registered.
func newDocument(site social.Site) *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Belfry", Version: site.Version,
			Description: introduction,
			License:     &huma.License{Name: "MIT", Identifier: "MIT"},
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry(schemaPrefix, newSchemaNamer()),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", Description: "A personal or service token. Another scheme in " +
					"Authorization, such as Basic for a proxy in front, is as if absent."},
				"session": {Type: "apiKey", In: "cookie", Name: site.CookieName(), Description: "The session of a browser. " +
					"The name depends on the public URL; of several cookies of the name the first valid one counts."},
			},
		},
	}
	doc.OnAddOperation = append(doc.OnAddOperation, describe)
	return doc
}

// describe completes an operation: who may call it, from the metadata that the host also enforces, and the
// answers that any operation can give. It panics when the operation does not say who may call it.
func describe(_ *huma.OpenAPI, op *huma.Operation) {
	rule, ok := op.Metadata[social.MetaAuth].(social.Auth)
	if !ok {
		panic(fmt.Sprintf("server: operation %s (%s %s) has no %q in its metadata",
			op.OperationID, op.Method, op.Path, social.MetaAuth))
	}
	token, session := map[string][]string{"token": {}}, map[string][]string{"session": {}}
	switch rule {
	case social.AuthNone:
		op.Security = []map[string][]string{}
	case social.AuthOptional:
		op.Security = []map[string][]string{{}, token, session}
	case social.AuthSession:
		op.Security = []map[string][]string{session}
	case social.AuthScope(social.ScopeNotifySend):
		op.Security = []map[string][]string{token}
	default:
		op.Security = []map[string][]string{token, session}
	}
	if scope := string(rule); op.Description == "" {
		switch rule {
		case social.AuthNone, social.AuthOptional, social.AuthSession, social.AuthAny:
			scope = ""
		case social.AuthMe:
			scope = string(social.ScopeRead)
		}
		if scope != "" {
			op.Description = "A token needs the scope `" + scope + "`."
		}
	}
	if form, ok := op.Metadata[social.MetaUpload].(social.UploadForm); ok {
		op.RequestBody = describeForm(form)
	}
	op.BodyReadTimeout = 0 // the body is here before a handler runs: huma would set a deadline on the socket again
	if op.RequestBody != nil && op.RequestBody.Content[fiber.MIMEApplicationJSON] != nil {
		delete(op.RequestBody.Content, "application/octet-stream") // the raw body is for the handler alone
	}
}

// describeForm is the body of an operation that receives a file. Huma, which would read it, is told afterwards.
func describeForm(form social.UploadForm) *huma.RequestBody {
	schema := &huma.Schema{Type: huma.TypeObject, Required: []string{form.File}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{form.File: {Type: huma.TypeString, Format: "binary", Description: form.Doc}}}
	for name, f := range form.Fields {
		schema.Properties[name] = &huma.Schema{Type: huma.TypeString, Description: f.Doc}
	}
	content := map[string]*huma.MediaType{fiber.MIMEMultipartForm: {Schema: schema}}
	return &huma.RequestBody{Required: true, Content: content}
}

// newSchemaNamer names the schemas: by the type's name, and where two packages use the same one, the later by
// package and name. Huma names each type many times, always with the same result.
func newSchemaNamer() func(reflect.Type, string) string {
	owner := map[string]reflect.Type{}
	return func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		name := huma.DefaultSchemaNamer(t, hint)
		if t.Kind() != reflect.Struct || t.Name() == "" {
			return name
		}
		if first, taken := owner[name]; taken && first != t {
			pkg := path.Base(t.PkgPath())
			name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
		}
		owner[name] = t
		return name
	}
}

// render encodes the document as clients see it.
func render(doc *huma.OpenAPI) ([]byte, error) {
	describeEvents(doc)
	describeGroups(doc)
	commonAnswers(doc)
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi: encode: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, fmt.Errorf("openapi: read back: %w", err)
	}
	mendAnswers(tree, doc.Components.Schemas)
	return json.Marshal(tree)
}

// commonAnswers gives every operation the answers any operation may have. "default" is for those of later versions: a
// status that an operation has today is declared.
func commonAnswers(doc *huma.OpenAPI) {
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	if code := doc.Components.Schemas.Map()["Problem"].Properties["code"]; len(code.Enum) == 0 {
		for _, c := range slices.Sorted(maps.Keys(problems)) {
			code.Enum = append(code.Enum, string(c))
		}
	}
	doc.Components.Responses = map[string]*huma.Response{"Problem": {Description: "A problem; its code says which.",
		Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}}
	problem := &huma.Response{Ref: "#/components/responses/Problem"}
	for _, op := range operations(doc) {
		op.Responses["default"] = problem
		for _, status := range commonProblems(op) {
			op.Responses[strconv.Itoa(status)] = problem
		}
		for status := range op.Responses {
			if code, err := strconv.Atoi(status); err == nil && code >= 400 {
				op.Responses[status] = problem
			}
		}
		if _, tagged := op.Metadata[social.MetaETag]; tagged && op.Method == fiber.MethodGet {
			op.Responses["304"] = &huma.Response{Description: "It is as the client has it."}
		}
	}
}

// commonProblems are the statuses of the problems that the host answers in the name of an operation: framing, limits,
// who may call it, what it takes, the state of the stores.
func commonProblems(op *huma.Operation) []int {
	list := []int{400, 406, 408, 413, 422, 429, 431, 500, 503}
	writes := budgetOf(op.Method) == social.BudgetWrite
	if rule := op.Metadata[social.MetaAuth]; rule != social.AuthNone {
		list = append(list, 401, 403)
	}
	if writes {
		list = append(list, 403, 507) // from another site; no space
	}
	if op.RequestBody != nil {
		list = append(list, 415)
	}
	if strings.Contains(op.Path, "{") {
		list = append(list, 404)
	}
	if slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "Idempotency-Key" }) {
		list = append(list, 409)
	}
	return list
}

// operations are all of the document, in the order of their paths.
func operations(doc *huma.OpenAPI) (list []*huma.Operation) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				list = append(list, op)
			}
		}
	}
	return list
}

// mendAnswers says what huma leaves out of the schemas of answers, which are those of no request body: that further
// members may come, which a client generated from the document must not refuse then, and what may be null.
func mendAnswers(tree map[string]any, types huma.Registry) {
	components, _ := tree["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	closed := map[string]bool{}
	var bind func(v any)
	bind = func(v any) {
		each(v, func(m map[string]any) {
			ref, _ := m["$ref"].(string)
			if name := path.Base(ref); ref != "" && !closed[name] {
				closed[name] = true
				bind(schemas[name])
			}
		})
	}
	each(tree["paths"], func(m map[string]any) { bind(m["requestBody"]) })
	for name, schema := range schemas {
		if closed[name] {
			continue
		}
		each(schema, func(m map[string]any) {
			if m["additionalProperties"] == false {
				delete(m, "additionalProperties")
			}
		})
		if t := types.TypeFromRef(schemaPrefix + name); t != nil {
			properties, _ := schema.(map[string]any)["properties"].(map[string]any)
			mendFields(t, properties)
		}
	}
}

// mendFields gives the fields of an answer their times and nulls. A nil pointer without omitempty is null, whatever it
// points to; huma says so of plain values only.
func mendFields(t reflect.Type, properties map[string]any) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema, ok := properties[name].(map[string]any)
		if !ok || !f.IsExported() {
			continue
		}
		pointer := f.Type.Kind() == reflect.Pointer
		if f.Type == reflect.TypeFor[social.Time]() || pointer && f.Type.Elem() == reflect.TypeFor[social.Time]() {
			schema["format"] = "date-time"
		}
		if pointer && !strings.Contains(options, "omitempty") {
			orNull(schema)
		}
	}
}

// orNull makes a schema allow null.
func orNull(schema map[string]any) {
	if ref, ok := schema["$ref"]; ok {
		delete(schema, "$ref")
		schema["anyOf"] = []any{map[string]any{"$ref": ref}, map[string]any{"type": "null"}}
		return
	}
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []any{kind, "null"}
	}
	if values, ok := schema["enum"].([]any); ok && !slices.Contains(values, nil) {
		schema["enum"] = append(values, nil)
	}
}

// each calls visit for every object in v, the outer ones first.
func each(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, e := range v {
			each(e, visit)
		}
	case []any:
		for _, e := range v {
			each(e, visit)
		}
	}
}
