package media

import (
	"embed"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

//go:embed migrations
var migrations embed.FS

// Migrations are the tables of this module.
var Migrations = storage.EmbeddedMigrations("media", migrations)

// Module adds pictures to the program. The host supplies Config, with Dir, and stops the service.
var Module = fx.Module("media",
	fx.Provide(New),
	fx.Provide(fx.Annotate(func(s *Service) func(huma.API) { return s.Routes }, fx.ResultTags(`group:"routes"`))),
	fx.Provide(fx.Annotate(func(s *Service) []social.Job { return s.Jobs() }, fx.ResultTags(`group:"jobs,flatten"`))),
	fx.Supply(fx.Annotate(Migrations, fx.ResultTags(`group:"migrations"`))),
)
