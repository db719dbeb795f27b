package sse

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// streamSchema describes the body of a stream for the document.
func streamSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "Server-Sent Events. Each block has id, event and data; " +
		"data is one line of JSON, the same event as in the JSON ways. First ready, which says the position held; " +
		"gap where events are lost; bye before the server closes; a comment as heartbeat in silence."}
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
