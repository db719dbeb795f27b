package delivery

import (
	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
)

// Migrations are the tables of delivery.
var Migrations = pipeline.Migrations

// Module adds delivery to the program. The host supplies Config and the log, attaches channels, mounts
// EventRoutes behind the routes of channels, and calls Start once the relay has caught up.
var Module = fx.Module("delivery",
	fx.Provide(New),
	fx.Provide(fx.Annotate(func(s *Service) func(huma.API) { return s.Routes }, fx.ResultTags(`group:"routes"`))),
	fx.Provide(fx.Annotate(func(s *Service) []social.Job { return s.Jobs() }, fx.ResultTags(`group:"jobs,flatten"`))),
	fx.Supply(fx.Annotate(Migrations, fx.ResultTags(`group:"migrations"`))),
)
