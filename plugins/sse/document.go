package sse

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// Ready, Gap and Bye are the data of the blocks that are no events, for the document; frames writes them.
type (
	Ready struct {
		Connection social.ID      `json:"connection"`
		UserID     social.ID      `json:"user_id"`
		Cursor     *social.Cursor `json:"cursor" doc:"The position held; null when a gap follows."`
		Head       social.Cursor  `json:"head" doc:"The newest durable position."`
		Oldest     social.Cursor  `json:"oldest" doc:"Reading after it gives everything kept."`
		Resumed    bool           `json:"resumed" doc:"The position given was honoured."`
		HeartbeatS int            `json:"heartbeat_s"`
		MaxAgeS    int            `json:"max_age_s" doc:"When the server will ask to come back; 0 = never."`
	}
	Gap struct {
		From   *social.Cursor `json:"from" doc:"The id that was given; null when it could not be read."`
		To     social.Cursor  `json:"to" doc:"Where the stream goes on."`
		Reason string         `json:"reason" enum:"expired,epoch,future,invalid,damaged"`
		Heal   []string       `json:"heal" doc:"Lists to fetch anew."`
	}
	Bye struct {
		Reason  string         `json:"reason" enum:"restart,max_age,too_many,overload,revoked"`
		RetryMS *int           `json:"retry_ms" doc:"When to come back; null when nothing is said of it."`
		Cursor  *social.Cursor `json:"cursor" doc:"The position held."`
	}
)

// describeStream adds the stream to the document. OpenAPI has no word for the blocks of a stream: their data are
// schemas of their own, named in the description.
func describeStream(doc *huma.OpenAPI) {
	schemas := plugins.Schemas(doc)
	for _, t := range []reflect.Type{reflect.TypeFor[Ready](), reflect.TypeFor[Gap](), reflect.TypeFor[Bye]()} {
		schemas.Schema(t, true, "")
	}
	plugins.DescribeEvents(doc, mimeStream, &huma.Schema{Type: huma.TypeString,
		Description: "Server-Sent Events. Each block has an event and data, one line of JSON: an Event, named by its type, " +
			"the same as in the JSON ways. First comes ready (Ready), which says the position held; gap (Gap) where events " +
			"are lost; bye (Bye) before the server closes; a comment as heartbeat in silence."})
}

func describeAlias(doc *huma.OpenAPI, p *frames.Preset) {
	text := &huma.Schema{Type: huma.TypeString}
	op := &huma.Operation{
		OperationID: "stream-alias-" + p.Name, Method: http.MethodGet, Path: p.Path, Tags: []string{"events"},
		Summary:     "Notifications and posts under the names of a common tutorial",
		Description: "The stream of /v1/events with other names of its blocks. Only notification and post.created are sent.",
		Metadata:    map[string]any{social.MetaAuth: social.AuthScope(social.ScopeEvents)},
		Parameters: []*huma.Param{
			{Name: "Last-Event-ID", In: "header", Description: "The id of the last event applied.", Schema: text},
			{Name: "lastEventId", In: "query", Description: "The same, for clients that cannot set a header.", Schema: text},
			{Name: "after", In: "query", Description: "An event id, now or oldest.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "A stream.", Content: map[string]*huma.MediaType{mimeStream: {Schema: text}}},
		},
	}
	for _, status := range []int{401, 403, 406, 422} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status),
			Content: map[string]*huma.MediaType{"application/problem+json": {}}}
	}
	doc.AddOperation(op)
}
