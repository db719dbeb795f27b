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

// newDocument begins the OpenAPI document. Operations add themselves as they are registered.
func newDocument(site social.Site) *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Belfry", Version: site.Version,
			Description: "A social backend: people post, follow, like and comment, " +
				"and whatever happens to a person reaches that person.",
			License: &huma.License{Name: "MIT", Identifier: "MIT"},
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", newSchemaNamer()),
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
	if rule != social.AuthNone && rule != social.AuthOptional && rule != social.AuthSession && op.Description == "" {
		scope := string(rule)
		if rule == social.AuthMe {
			scope = string(social.ScopeRead)
		}
		op.Description = "A token needs the scope `" + scope + "`."
	}
	op.BodyReadTimeout = 0 // the body is here before a handler runs: huma would set a deadline on the socket again
	if op.RequestBody != nil && op.RequestBody.Content[fiber.MIMEApplicationJSON] != nil {
		delete(op.RequestBody.Content, "application/octet-stream") // the raw body is for the handler alone
	}
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
	commonAnswers(doc)
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi: encode: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, fmt.Errorf("openapi: read back: %w", err)
	}
	openAnswers(tree)
	return json.Marshal(tree)
}

// commonAnswers gives every operation the problems any operation may have.
func commonAnswers(doc *huma.OpenAPI) {
	problem := &huma.MediaType{Schema: doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")}
	if code := doc.Components.Schemas.Map()["Problem"].Properties["code"]; len(code.Enum) == 0 {
		for _, c := range slices.Sorted(maps.Keys(problems)) {
			code.Enum = append(code.Enum, string(c))
		}
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.Responses["default"] == nil {
				op.Responses["default"] = &huma.Response{Description: "A problem."}
			}
			for status, r := range op.Responses {
				if code, err := strconv.Atoi(status); status == "default" || (err == nil && code >= 400) {
					r.Content = map[string]*huma.MediaType{problemType: problem}
				}
			}
		}
	}
}

// openAnswers allows further members in every object that is not part of a request body: answers may grow, and a
// client generated from the document must not refuse them then.
func openAnswers(tree map[string]any) {
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
		if !closed[name] {
			each(schema, func(m map[string]any) {
				if m["additionalProperties"] == false {
					delete(m, "additionalProperties")
				}
			})
		}
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
