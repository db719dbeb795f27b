package posts

import (
	"embed"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

//go:embed migrations
var files embed.FS

// Migrations are the tables of posts.
var Migrations = storage.EmbeddedMigrations("posts", files)

// Module is posts as a part of the program. It takes its Config from app.
var Module = fx.Module("posts",
	fx.Provide(New),
	fx.Provide(fx.Annotate(func(s *Service) func(huma.API) { return s.Routes }, fx.ResultTags(`group:"routes"`))),
	fx.Provide(fx.Annotate(func(s *Service) []social.Job { return s.Jobs() }, fx.ResultTags(`group:"jobs,flatten"`))),
	fx.Supply(fx.Annotate(Migrations, fx.ResultTags(`group:"migrations"`))),
)
