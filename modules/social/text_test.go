package social_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/bidi"

	"github.com/belfry-social/belfry/modules/social"
)

func TestVisible(t *testing.T) {
	for _, text := range []string{"a", "é", "0", "!", "日本", "नमस्ते", "ที่", "مرحبا", "שלום", "❤️", "👩‍👩‍👧", "1️⃣", "🏳️‍🌈",
		"\u200bx", "\u0601", "\u06dd", "\ue000", "\U0001FAE9", "\ufffd", "⠁", "\u200f.", "\uffe0"} {
		if !social.Visible(text) {
			t.Errorf("%+q shows something", text)
		}
	}
	for _, text := range []string{"", " ", "\t\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200c\u200d", "\u2060",
		"\ufeff", "\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u180e", "\u200e\u200f",
		"\u202a\u202c", "\u2061", "\u2066\u2069", "\u2800", "\u3164", "\ufe0f", "\uffa0", "\ufff9",
		"\U0001D159", "\U0001D173", "\U00016FE4", "\U000E0001", "\U000E0041", "\U000E0100", "\u0301", "\u20e3",
		"\x00", "\x7f", "\u0085", " \u200b\u2800\u3164\ufeff\u0301 "} {
		if social.Visible(text) {
			t.Errorf("%+q shows nothing", text)
		}
	}
}

func TestIsolate(t *testing.T) {
	for in, want := range map[string]string{
		"Alice":                       "Alice",
		"Zoë 東京 🎉":                    "Zoë 東京 🎉",
		"שרה":                         "\u2068שרה\u2069",
		"Sara مريم":                   "\u2068Sara مريم\u2069",
		"\u0661\u0662":                "\u2068\u0661\u0662\u2069", // Arabic digits move too
		"a\u200f":                     "\u2068a\u200f\u2069",
		"ecila\u202e":                 "ecila",
		"\u2069\u202eשרה\u2066\u202a": "\u2068שרה\u2069", // as a name of an earlier version
		"":                            "",
	} {
		if got := social.Isolate(in); got != want {
			t.Errorf("Isolate(%+q) is %+q, want %+q", in, got, want)
		}
	}
}

// FuzzIsolate: whatever a name holds, the sentence around it keeps its direction: what opens is closed, in pairs.
func FuzzIsolate(f *testing.F) {
	for _, seed := range []string{"", "Alice", "שרה", "\u202e", "\u2069\u2069", "a\u2067b", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := social.Isolate(name)
		inner, enclosed := strings.CutPrefix(got, "\u2068")
		if enclosed {
			inner = strings.TrimSuffix(inner, "\u2069")
		}
		for _, r := range inner {
			if social.Reorders(r) {
				t.Fatalf("%+q becomes %+q, in which %+q reorders", name, got, r)
			}
			if p, _ := bidi.LookupRune(r); !enclosed && (p.Class() == bidi.R || p.Class() == bidi.AL || p.Class() == bidi.AN) {
				t.Fatalf("%+q becomes %+q, in which %+q stands free", name, got, r)
			}
		}
	})
}
