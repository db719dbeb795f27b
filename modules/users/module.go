package users

import (
	"embed"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

//go:embed migrations
var files embed.FS

// Migrations are the tables of this module.
var Migrations = storage.EmbeddedMigrations("users", files)

// Module adds accounts to the program. The host supplies Config.
var Module = fx.Module("users",
	fx.Provide(New),
	fx.Provide(fx.Annotate(func(s *Service) func(huma.API) { return s.Routes }, fx.ResultTags(`group:"routes"`))),
	fx.Provide(fx.Annotate(func(s *Service) []social.Job { return s.Jobs() }, fx.ResultTags(`group:"jobs,flatten"`))),
	fx.Supply(fx.Annotate(Migrations, fx.ResultTags(`group:"migrations"`))),
)
