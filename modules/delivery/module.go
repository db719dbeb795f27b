package delivery

import (
	"go.uber.org/fx"
)

// Module provides delivery. app calls EventRoutes after the routes of channels, Start once the log is open and
// the relay has caught up.
var Module = fx.Module("delivery",
	fx.Provide(New),
)
