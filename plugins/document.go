package plugins

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// EventsPath is where events are asked for, whatever the way.
const EventsPath = "/v1/events"

// EventSchema is where the document describes an event. The host makes it of what the modules say of theirs.
const EventSchema = "#/components/schemas/Event"

// Schemas are the named schemas of the document. One that has none yet, as in the test of a channel, begins them.
func Schemas(doc *huma.OpenAPI) huma.Registry {
	if doc.Components == nil {
		doc.Components = &huma.Components{}
	}
	if doc.Components.Schemas == nil {
		doc.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	}
	return doc.Components.Schemas
}

// DescribeEvents adds one way of asking for events to the document: body is the schema of the 200 answer under
// the media type given. The operation is made by whoever comes first, so the parts that serve its ways may call
// this in any order, each for its own media type.
func DescribeEvents(doc *huma.OpenAPI, mime string, body *huma.Schema) *huma.Operation {
	op := eventsOperation(doc)
	op.Responses["200"].Content[mime] = &huma.MediaType{Schema: body}
	return op
}

func eventsOperation(doc *huma.OpenAPI) *huma.Operation {
	if item := doc.Paths[EventsPath]; item != nil && item.Get != nil {
		return item.Get
	}
	op := &huma.Operation{
		OperationID: "get-events", Method: http.MethodGet, Path: EventsPath, Tags: []string{"events"},
		Summary: "Events, live and since a position",
		Description: "Accept chooses the way: text/event-stream for a stream, else a page of JSON; with wait, a page " +
			"that waits for the first event.",
		Metadata:   map[string]any{MetaAuth: AuthScope(ScopeEvents)},
		Parameters: eventsParams(),
		Responses: map[string]*huma.Response{
			"200": {Description: "Events after the position, in order.", Content: map[string]*huma.MediaType{}},
			"204": {Description: "Streams are switched off here: poll instead."},
			"304": {Description: "Nothing new."},
		},
	}
	for _, status := range []int{401, 403, 406, 410, 422, 429, 503} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/problem+json": {}}}
	}
	doc.AddOperation(op)
	return op
}

func eventsParams() []*huma.Param {
	text := func(enum ...any) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Enum: enum} }
	whole := func(low, high float64, value int) *huma.Schema {
		return &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: value}
	}
	return []*huma.Param{
		{Name: "Last-Event-ID", In: "header", Schema: text(),
			Description: "The id of the last event applied; wins over lastEventId and after."},
		{Name: "lastEventId", In: "query", Description: "The same, for clients that cannot set a header.", Schema: text()},
		{Name: "after", In: "query", Description: "An event id, now or oldest.", Schema: text()},
		{Name: "types", In: "query", Schema: text(),
			Description: "Comma list of event types; a name also stands for its dotted children."},
		{Name: "posts", In: "query", Schema: text("notify", "all", "none"),
			Description: "Posts of those followed: with the bell on, of all, or none."},
		{Name: "payload", In: "query", Schema: text("full")},
		{Name: "limit", In: "query", Description: "JSON only: items on the page.", Schema: whole(1, 100, 20)},
		{Name: "wait", In: "query", Description: "JSON only: seconds to wait for the first event.", Schema: whole(0, 60, 0)},
		{Name: "ticket", In: "query", Description: "Stream only: a ticket in place of other credentials.", Schema: text()},
	}
}
