package server

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// describeEvents makes the schema Event out of what modules say of their events (social.MetaEvents): one schema for
// each type, told apart by the member type.
func describeEvents(doc *huma.OpenAPI) {
	data := map[string]any{}
	for _, op := range operations(doc) {
		if of, ok := op.Metadata[social.MetaEvents].(map[string]any); ok {
			maps.Copy(data, of)
		}
	}
	if len(data) == 0 {
		return
	}
	schemas := doc.Components.Schemas
	event := &huma.Schema{Description: "What happened, by type. More types may come: ignore those you do not know.",
		Discriminator: &huma.Discriminator{PropertyName: "type", Mapping: map[string]string{}}}
	for _, kind := range slices.Sorted(maps.Keys(data)) {
		name := eventName(kind)
		schemas.Map()[name] = &huma.Schema{Type: huma.TypeObject, Required: []string{"id", "type", "time", "data"},
			Properties: map[string]*huma.Schema{
				"id":   {Type: huma.TypeString, Description: "Its place in the order of all events."},
				"type": {Type: huma.TypeString, Enum: []any{kind}},
				"time": {Type: huma.TypeString, Format: "date-time"},
				"data": schemas.Schema(reflect.TypeOf(data[kind]), true, name+"Data"),
			}}
		event.OneOf = append(event.OneOf, &huma.Schema{Ref: schemaPrefix + name})
		event.Discriminator.Mapping[kind] = schemaPrefix + name
	}
	schemas.Map()["Event"] = event
}

// eventName is the schema of a type of events: EventPostCreated for post.created.
func eventName(kind string) string {
	name := "Event"
	for _, word := range strings.FieldsFunc(kind, func(r rune) bool { return r == '.' || r == '_' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
