package access

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

func TestCookie(t *testing.T) {
	for secure, name := range map[bool]string{true: "__Host-belfry", false: "belfry_8080"} {
		c := Cookie{Name: name, Secure: secure}
		for what, tt := range map[string]struct {
			header, value string
			maxAge        int
		}{"set": {c.Set("abc-_1", 90*time.Minute), "abc-_1", 5400}, "clear": {c.Clear(), "", -1}} {
			got, err := http.ParseSetCookie(tt.header)
			if err != nil {
				t.Fatalf("%s: %q: %v", what, tt.header, err)
			}
			if got.Name != name || got.Value != tt.value || got.MaxAge != tt.maxAge || got.Path != "/" || got.Domain != "" ||
				!got.HttpOnly || got.Secure != secure || got.SameSite != http.SameSiteLaxMode || len(got.Unparsed) != 0 {
				t.Errorf("%s: %q reads as %+v", what, tt.header, got)
			}
		}
	}
}

func TestCookieOfSite(t *testing.T) {
	for url, want := range map[string]string{"https://social.example": "__Host-belfry",
		"https://social.example:8443": "__Host-belfry_8443", "http://social.example": "belfry",
		"http://127.0.0.1:8080": "belfry_8080", "http://[::1]": "belfry", "http://[::1]:8080": "belfry_8080"} {
		s := New(Config{}, social.Site{PublicURL: url}, nil, nil, nil, zap.NewNop())
		if got := s.cookie.Name; got != want {
			t.Errorf("at %s the cookie is %s, want %s", url, got, want)
		}
	}
}
