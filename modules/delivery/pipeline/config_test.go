package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
)

func TestConfigNamesTheKeyThatIsWrong(t *testing.T) {
	if err := pipeline.DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	for key, change := range map[string]func(*pipeline.Config){
		"endpoints_per_person": func(c *pipeline.Config) { c.EndpointsPerPerson = 0 },
		"workers":              func(c *pipeline.Config) { c.Workers = 0 },
		"breaker_failures":     func(c *pipeline.Config) { c.BreakerFailures = 0 },
		"send_timeout":         func(c *pipeline.Config) { c.SendTimeout = 0 },
		"disable_after":        func(c *pipeline.Config) { c.DisableAfter = -1 },
		"keep":                 func(c *pipeline.Config) { c.Keep = 0 },
		"breaker_pause":        func(c *pipeline.Config) { c.BreakerPause = 0 },
		"jitter":               func(c *pipeline.Config) { c.Jitter = 1 },
		"schedule[1]":          func(c *pipeline.Config) { c.Schedule = []time.Duration{0, -1} },
	} {
		c := pipeline.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
