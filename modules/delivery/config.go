package delivery

import (
	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/delivery/reading"
)

// Config is what delivery is told: the section of its name, and the caps, which app takes from the section "server".
type Config struct {
	pipeline.Config
	reading.Caps
}
