package social

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// Visible reports whether a text shows anything: a character that is neither white space nor a control nor ignorable,
// and no mark, which needs another one to stand on. What Unicode does not know yet shows, as new emoji do.
func Visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.IsMark(r) && !Ignorable(r) && !isBlank(r)
	})
}

// Ignorable reports a character of Unicode's property Default_Ignorable_Code_Point, which shows nothing by itself:
// joiners, variation selectors, fillers, format controls. The property is derived as DerivedCoreProperties.txt says;
// the few format controls that it leaves out, of annotations and hieroglyphs, count as well.
func Ignorable(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// isBlank reports a symbol without ink. No property of Unicode says so: a braille pattern without dots, and a note
// without a head.
func isBlank(r rune) bool { return r == '\u2800' || r == '\U0001D159' }

// Reorders reports a character that changes the order of the text around it: the explicit formatting characters of
// UAX #9, which are embeddings, overrides and isolates (U+202A to U+202E, U+2066 to U+2069).
func Reorders(r rune) bool {
	p, _ := bidi.LookupRune(r)
	switch p.Class() {
	case bidi.LRE, bidi.RLE, bidi.LRO, bidi.RLO, bidi.PDF, bidi.LRI, bidi.RLI, bidi.FSI, bidi.PDI:
		return true
	}
	return false
}

// Line reports a text that stands in one line and leaves the text around it in order: UTF-8 without control characters,
// separators of lines and paragraphs, and characters that reorder. Every name and label keeps this rule.
func Line(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || Reorders(r)
	})
}

// NotALine is what a person is told of a text for which Line is false.
const NotALine = "One line of text, without characters that change its direction."

// Isolate gives a name the form in which it stands inside a sentence. One with right-to-left characters is enclosed in
// FSI and PDI (U+2068, U+2069), so that it does not reorder the words and figures around it. Characters that reorder,
// which names of earlier versions may have, are left out.
func Isolate(name string) string {
	foreign := false
	name = strings.Map(func(r rune) rune {
		if Reorders(r) {
			return -1
		}
		switch p, _ := bidi.LookupRune(r); p.Class() {
		case bidi.R, bidi.AL, bidi.AN:
			foreign = true
		}
		return r
	}, name)
	if foreign {
		return "\u2068" + name + "\u2069"
	}
	return name
}
