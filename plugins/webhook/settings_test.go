package webhook_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/webhook"
)

// checker is a channel whose CheckEndpoint takes an address and gives the one that is kept.
func checker(t testing.TB, section string) func(address string) (string, error) {
	t.Helper()
	c, err := webhook.Factory.Build([]byte(section), plugins.Env{Dial: plugins.NewGuard(8).Dial})
	if err != nil {
		t.Fatal(err)
	}
	return func(address string) (string, error) {
		raw, err := json.Marshal(map[string]string{"url": address})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := c.(plugins.Sender).CheckEndpoint(raw)
		if err != nil {
			return "", err
		}
		var s struct{ URL string }
		if err := json.Unmarshal(kept, &s); err != nil {
			t.Fatalf("the settings kept are %s: %v", kept, err)
		}
		return s.URL, nil
	}
}

// TestInternationalAddress: an address as people write it is kept as it is sent.
func TestInternationalAddress(t *testing.T) {
	check := checker(t, "")
	for given, want := range map[string]string{
		"https://bücher.example/hook":              "https://xn--bcher-kva.example/hook",
		"https://BÜCHER.example":                   "https://xn--bcher-kva.example",
		"https://bücher.example:8443/h?x=1":        "https://xn--bcher-kva.example:8443/h?x=1",
		"https://b%C3%BCcher.example/%20":          "https://xn--bcher-kva.example/%20",
		"https://例え.テスト?q=例え":                      "https://xn--r8jz45g.xn--zckzah?q=%E4%BE%8B%E3%81%88",
		"https://bot.example/höök":                 "https://bot.example/h%C3%B6%C3%B6k",
		"https://faß.example/":                     "https://xn--fa-hia.example/",
		"https://bücher。example/":                  "https://xn--bcher-kva.example/",
		"https://xn--bcher-kva.example/Hook":       "https://xn--bcher-kva.example/Hook",
		"https://r3---a-.example./":                "https://r3---a-.example./",
		"https://[2606:4700::1111]:8443/":          "https://[2606:4700::1111]:8443/",
		"https://Under_Score.example/stays%2Fso?%": "https://Under_Score.example/stays%2Fso?%",
	} {
		if got, err := check(given); err != nil || got != want {
			t.Errorf("%s is kept as %q, %v; want %s", given, got, err, want)
		}
	}
	for _, given := range []string{"https://１２７.0.0.1/", "https://ｌocalhost/", "https://１２７。0。0。1/",
		"https://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/",
		"https://ｐrinter.local/", "https://bücher..example/", "https://-bü.example/",
		"https://evil.example／x.bücher.example/",
		"https://bü\u202echer.example/", "https://ü" + strings.Repeat("x", 64) + ".example/", "https://u:p@bücher.example/",
		"https://bücher.example:25/", "https://bücher.example/#x", "http://bücher.example/",
		"https://a..b/", "https://.example/", "https://" + strings.Repeat("a", 64) + ".example/", "https://xn--a.example/",
		"https://" + strings.Repeat("abcdefg.", 32) + "example/", "https://a!b.example/", "https://bot.example../ä",
		"https://bot.example/" + strings.Repeat("é", 400)} {
		if got, err := check(given); err == nil {
			t.Errorf("%.60s was accepted as %s", given, got)
		}
	}
}

// FuzzCheckEndpoint: what is kept is printable ASCII, names a host that may be public, and is kept as it is when given
// again.
func FuzzCheckEndpoint(f *testing.F) {
	for _, seed := range []string{"https://bot.example/", "https://bücher.example:8443/ä?ö", "https://１２７.0.0.1/",
		"https://[::1]/",
		"https://b%C3%BC.example", "https://u@x/", "https://x:80a", "//x", "https://ü"} {
		f.Add(seed)
	}
	check := checker(f, "allow_http: true")
	f.Fuzz(func(t *testing.T, given string) {
		kept, err := check(given)
		if err != nil {
			return
		}
		for _, c := range []byte(kept) {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("%q is kept as %q", given, kept)
			}
		}
		u, err := url.Parse(kept)
		if err != nil || !plugins.PublicHost(u.Hostname()) || u.User != nil || u.Fragment != "" || len(kept) > 2048 {
			t.Fatalf("%q is kept as %q: %v", given, kept, err)
		}
		if again, err := check(kept); err != nil || again != kept {
			t.Fatalf("%q is kept as %q, which is kept as %q, %v", given, kept, again, err)
		}
	})
}
