package app

import (
	"time"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse"
)

// maxPage and maxWait are bounds of the API that no key changes.
const (
	maxPage = 100
	maxWait = 60 * time.Second
)

// instance is what this program offers, from its configuration and the channels that are on.
func (p *program) instance(channels []plugins.Channel) server.Instance {
	c := p.Config
	view := server.Instance{
		Name: p.Site.Name, Version: p.Site.Version, URL: p.Site.PublicURL,
		Registration: c.Registration.Mode, Languages: []string{"en"},
		Features: server.InstanceFeatures{Channels: []string{}, Search: p.People != nil},
		Limits: server.InstanceLimits{
			Text: c.Posts.MaxText, MIMETypes: []string{}, DisplayName: users.MaxDisplayName, Bio: users.MaxBio,
			Page: maxPage, EndpointCount: c.Delivery.EndpointsPerPerson,
		},
		Events: server.InstanceEvents{
			URL: plugins.EventsPath, MaxStreams: c.Server.MaxStreamsPerPerson, MaxWaitS: int(maxWait / time.Second),
			RetentionS: int64(c.Storage.Log.Retention.Age / time.Second), TicketS: int(users.TicketTTL / time.Second),
		},
	}
	if p.Media != nil {
		view.Features.Media = true
		view.Limits.MediaPerPost, view.Limits.MediaBytes = posts.MaxMedia, int64(c.Media.MaxBytes)
		view.Limits.MediaPixels, view.Limits.MIMETypes = int64(c.Media.MaxPixels), media.Types()
	}
	enabled := 0
	for _, ch := range c.Channels {
		if !ch.Enabled || p.Delivery == nil {
			continue
		}
		if _, ok := channels[enabled].(plugins.Sender); ok {
			view.Features.Channels = append(view.Features.Channels, ch.Key)
		}
		if s, ok := ch.Settings.(*sse.Config); ok {
			view.Features.SSE = true
			view.Events.HeartbeatS, view.Events.MaxAgeS = int(s.Heartbeat/time.Second), int(s.MaxAge/time.Second)
		}
		enabled++
	}
	return view
}
