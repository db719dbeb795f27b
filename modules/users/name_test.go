package users_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/users"
)

// Folding agrees with the rule as it is written for clients, for every text.
func TestFoldName(t *testing.T) {
	rule := regexp.MustCompile(`^[a-z][a-z0-9_]{1,29}$`)
	letters := rapid.SampledFrom([]rune("abzABZ019_-. \u0000\u0131\u0130\u017f\u212aéß@\n"))
	texts := rapid.OneOf(rapid.String(), rapid.StringOfN(letters, 0, 33, -1),
		rapid.StringMatching(`[A-Za-z][A-Za-z0-9_]{1,29}`))
	upperASCII := func(s string) string {
		return strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				return r - 32
			}
			return r
		}, s)
	}
	lowerASCII := func(s string) string {
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 32
			}
			return r
		}, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := texts.Draw(t, "name")
		folded, ok := users.FoldName(name)
		if want := rule.MatchString(lowerASCII(name)); ok != want {
			t.Fatalf("FoldName(%q) is a name: %v, want %v", name, ok, want)
		}
		if !ok {
			if folded != "" {
				t.Fatalf("FoldName(%q) gives %q beside false", name, folded)
			}
			return
		}
		if folded != lowerASCII(name) {
			t.Fatalf("FoldName(%q) = %q", name, folded)
		}
		for _, other := range []string{folded, upperASCII(name)} {
			if again, ok := users.FoldName(other); !ok || again != folded {
				t.Fatalf("FoldName(%q) = %q, but of %q it is %q", name, folded, other, again)
			}
		}
	})
}
