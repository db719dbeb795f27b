package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/delivery"
)

func TestConfigNamesTheKeyThatIsWrong(t *testing.T) {
	if err := delivery.DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	for key, change := range map[string]func(*delivery.Config){
		"endpoints_per_person": func(c *delivery.Config) { c.EndpointsPerPerson = 0 },
		"workers":              func(c *delivery.Config) { c.Workers = 0 },
		"breaker_failures":     func(c *delivery.Config) { c.BreakerFailures = 0 },
		"send_timeout":         func(c *delivery.Config) { c.SendTimeout = 0 },
		"disable_after":        func(c *delivery.Config) { c.DisableAfter = -1 },
		"keep":                 func(c *delivery.Config) { c.Keep = 0 },
		"breaker_pause":        func(c *delivery.Config) { c.BreakerPause = 0 },
		"jitter":               func(c *delivery.Config) { c.Jitter = 1 },
		"schedule[1]":          func(c *delivery.Config) { c.Schedule = []time.Duration{0, -1} },
	} {
		c := delivery.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
