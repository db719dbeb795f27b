package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Instance is what GET /v1/instance tells about this site: who it is, what it offers, and its limits.
type Instance struct {
	Name         string           `json:"name"`
	Version      string           `json:"version"`
	URL          string           `json:"url"`
	Registration string           `json:"registration" enum:"open,invite,closed"`
	Languages    []string         `json:"languages"`
	Features     InstanceFeatures `json:"features"`
	Limits       InstanceLimits   `json:"limits"`
	Events       InstanceEvents   `json:"events"`
}

// InstanceFeatures are the parts a site may have or not.
type InstanceFeatures struct {
	SSE      bool     `json:"sse"`
	Media    bool     `json:"media"`
	Channels []string `json:"channels" doc:"Senders a person may add endpoints for."`
	Reposts  bool     `json:"reposts"`
	Search   bool     `json:"search" doc:"GET /v1/search is there, for people."`
}

// InstanceLimits are the bounds of what people send. Lengths are in code points.
type InstanceLimits struct {
	Text          int      `json:"text"`
	MediaPerPost  int      `json:"media_per_post"`
	MediaBytes    int64    `json:"media_bytes"`
	MediaPixels   int64    `json:"media_pixels"`
	MIMETypes     []string `json:"mime_types"`
	DisplayName   int      `json:"display_name"`
	Bio           int      `json:"bio"`
	Page          int      `json:"page"`
	EndpointCount int      `json:"endpoints"`
}

// InstanceEvents is how events are asked for.
type InstanceEvents struct {
	URL        string `json:"url"`
	HeartbeatS int    `json:"heartbeat_s"`
	MaxAgeS    int    `json:"max_age_s"`
	MaxStreams int    `json:"max_streams" doc:"Of one person."`
	MaxWaitS   int    `json:"max_wait_s"`
	RetentionS int64  `json:"retention_s"`
	TicketS    int    `json:"ticket_s"`
}

// InstanceRoutes serves view, which is fixed while the program runs, at GET /v1/instance.
func InstanceRoutes(view Instance) func(huma.API) {
	type output struct {
		CacheControl string `header:"Cache-Control"`
		Body         Instance
	}
	return func(api huma.API) {
		huma.Register(api, huma.Operation{
			OperationID: "get-instance", Method: http.MethodGet, Path: "/v1/instance", Tags: []string{"server"},
			Summary:  "What this site is, offers and allows",
			Metadata: map[string]any{social.MetaAuth: social.AuthNone, social.MetaETag: "strong"},
		}, func(context.Context, *struct{}) (*output, error) {
			return &output{CacheControl: "public, max-age=60", Body: view}, nil
		})
	}
}
