package users_test

import (
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/users"
)

func TestConfig(t *testing.T) {
	if err := users.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*users.Config){
		"registration: must be open, invite or closed": func(c *users.Config) { c.Registration = "ajar" },
		"session_idle: must be at least 1h":            func(c *users.Config) { c.SessionIdle = time.Minute },
		"session_max: must not be below session_idle":  func(c *users.Config) { c.SessionMax = 24 * time.Hour },
		"hash_wait: must be above 0 and at most 1m":    func(c *users.Config) { c.HashWait = 0 },
	} {
		c := users.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
