package social_test

import (
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

func TestHeaderList(t *testing.T) {
	for header, want := range map[string][]string{
		"":                       nil,
		" , ,\t":                 nil,
		"a":                      {"a"},
		"a, b ,c":                {"a", "b", "c"},
		`"a,b", W/"c"`:           {`"a,b"`, `W/"c"`},
		`a;x="1,2";q=0.5, b`:     {`a;x="1,2";q=0.5`, "b"},
		`"open, to the end`:      {`"open, to the end`},
		`"a"","b"`:               {`"a"","b"`}, // a quote too many: nothing in it is another's tag
		"respond-async,,wait=10": {"respond-async", "wait=10"},
	} {
		if got := slices.Collect(social.HeaderList(header)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
	for range social.HeaderList("a,b") {
		break // the reader may stop
	}
}

// TestHasETag: one way to compare tags, for both headers (RFC 9110 13.1.1, 13.1.2 and the table of 8.8.3.2).
func TestHasETag(t *testing.T) {
	for _, tt := range []struct {
		header, tag  string
		weak, strong bool
	}{
		{`"a"`, `"a"`, true, true},
		{`W/"a"`, `W/"a"`, true, false},
		{`W/"a"`, `"a"`, true, false},
		{`"a"`, `W/"a"`, true, false},
		{`"a"`, `"b"`, false, false},
		{`"x", W/"y" , "a"`, `"a"`, true, true},
		{`"x",W/"a"`, `"a"`, true, false},
		{`"x,y","a"`, `"a"`, true, true},
		{`"x,"a`, `"a"`, false, false},
		{" * ", `"a"`, true, true},
		{"*", `W/"a"`, true, true},
		{`*, "b"`, `"a"`, false, false},
		{"a", `"a"`, false, false},
		{`w/"a"`, `"a"`, false, false}, // the mark is in upper case
		{"", `"a"`, false, false},
	} {
		if got := social.HasETag(tt.header, tt.tag, true); got != tt.weak {
			t.Errorf("If-None-Match %s, tag %s: %v", tt.header, tt.tag, got)
		}
		if got := social.HasETag(tt.header, tt.tag, false); got != tt.strong {
			t.Errorf("If-Match %s, tag %s: %v", tt.header, tt.tag, got)
		}
	}
}
