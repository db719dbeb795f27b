package users_test

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

func TestCookie(t *testing.T) {
	for secure, name := range map[bool]string{true: "__Host-belfry", false: "belfry"} {
		c := users.Cookie{Secure: secure}
		for what, tt := range map[string]struct {
			header, value string
			maxAge        int
		}{"set": {c.Set("abc-_1", 90*time.Minute), "abc-_1", 5400}, "clear": {c.Clear(), "", -1}} {
			got, err := http.ParseSetCookie(tt.header)
			if err != nil {
				t.Fatalf("%s: %q: %v", what, tt.header, err)
			}
			if got.Name != name || got.Value != tt.value || got.MaxAge != tt.maxAge || got.Path != "/" || got.Domain != "" || !got.HttpOnly ||
				got.Secure != secure || got.SameSite != http.SameSiteLaxMode || len(got.Unparsed) != 0 {
				t.Errorf("%s: %q reads as %+v", what, tt.header, got)
			}
		}
	}
}

func TestCookieOfSite(t *testing.T) {
	for url, want := range map[string]string{"https://social.example": "__Host-belfry", "http://127.0.0.1:8080": "belfry"} {
		s := users.New(users.DefaultConfig(), social.Site{PublicURL: url}, nil, nil, nil, nil, zap.NewNop())
		if got := s.Cookie().Name(); got != want {
			t.Errorf("at %s the cookie is %s, want %s", url, got, want)
		}
	}
}

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
