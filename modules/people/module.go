package people

import (
	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/fx"
)

// Module adds the routes that show people.
var Module = fx.Module("people",
	fx.Provide(New),
	fx.Provide(fx.Annotate(func(s *Service) func(huma.API) { return s.Routes }, fx.ResultTags(`group:"routes"`))),
)
