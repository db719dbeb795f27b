package posts

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/width"

	"github.com/belfry-social/belfry/modules/social"
)

const (
	minName, maxName = 2, 30 // of a user, as users makes them: ^[a-z][a-z0-9_]{1,29}$
	maxTag           = 64    // code points, folded
)

// name is an "@name" in a text that may or may not be a person's. Start and end count code points.
type name struct {
	name       string // lower case
	start, end int
}

// parse finds names and tags in a text, in order. Neither begins inside a word, an address or a URL:
//
//   - a URL is a scheme, "://" and everything up to white space, "<", ">", a quotation mark (RFC 3986, appendix C)
//     or punctuation beyond ASCII that is no dash;
//   - a name is "@" or "＠", a letter and 1 to 29 letters, digits or underscores of ASCII, which may be full-width. It
//     is none if the run is longer, goes on with a Latin letter, or with "@" (an address on another server);
//   - a tag is "#" or "＃" and letters, marks, digits and underscores of any script, one of them no digit and no
//     underscore; at most 64 code points after folding. A longer run is none. Characters that show nothing, such as
//     joiners, stand inside it and are not part of its folded form.
func parse(text string) (names []name, tags []Tag) {
	point := 0 // how many code points are before text[i]
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		switch {
		case r == ':' && isScheme(text, i):
			if rest := strings.IndexFunc(text[end:], endsURL); rest >= 0 {
				end += rest
			} else {
				end = len(text)
			}
		case narrow(r) == '@' && !joins(text[:i]):
			if called, n := nameOf(text[end:]); called != "" {
				end += n
				names = append(names, name{called, point, point + 1 + len(called)})
			}
		case narrow(r) == '#' && !joins(text[:i]) && !strings.HasSuffix(text[:i], "&"):
			if word, tag := tagOf(text[end:]); tag != "" {
				end += len(word)
				tags = append(tags, Tag{tag, point, point + 1 + utf8.RuneCountInString(word)})
			}
		}
		point += utf8.RuneCountInString(text[i:end])
		i = end
	}
	return names, tags
}

// endsURL goes by the punctuation of other scripts, too: no URI holds it (RFC 3986), and only dashes and ties are usual
// in addresses that people paste.
func endsURL(r rune) bool {
	return unicode.IsSpace(r) || r == '<' || r == '>' || r == '"' ||
		r > unicode.MaxASCII && unicode.In(r, unicode.Ps, unicode.Pe, unicode.Pi, unicode.Pf, unicode.Po)
}

// joins reports whether what follows before belongs to its last word, address or path: behind Latin letters, digits of
// ASCII and a few signs. Other scripts are written without spaces. Marks belong to the letter they stand on; a
// variation selector or an enclosing mark makes a symbol of it (1️⃣).
func joins(before string) bool {
	for {
		r, size := utf8.DecodeLastRuneInString(before)
		switch {
		case size == 0, unicode.In(r, unicode.Variation_Selector, unicode.Me):
			return false
		case unicode.IsMark(r):
			before = before[:len(before)-size]
			continue
		}
		plain := narrow(r)
		return isNamePart(plain) || plain == '@' || plain == '#' || r == '/' || r == '=' || unicode.Is(unicode.Latin, r)
	}
}

// narrow gives a full-width form of an ASCII character as that character (Unicode, Halfwidth and Fullwidth Forms).
func narrow(r rune) rune {
	if '！' <= r && r <= '～' {
		return r - '！' + '!'
	}
	return r
}

func isNamePart(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// isScheme reports whether the colon at i stands behind the scheme of a URL.
func isScheme(text string, i int) bool {
	return i > 0 && isNamePart(rune(text[i-1])) && strings.HasPrefix(text[i:], "://")
}

// nameOf gives the name at the beginning of s, narrow and in lower case, and its length there; "" = there is none.
func nameOf(s string) (called string, size int) {
	var b []byte
	for size < len(s) && len(b) <= maxName {
		r, n := utf8.DecodeRuneInString(s[size:])
		if r = narrow(r); !isNamePart(r) {
			break
		}
		b = append(b, byte(unicode.ToLower(r))) //nolint:gosec // isNamePart is ASCII
		size += n
	}
	if len(b) < minName || len(b) > maxName || b[0] < 'a' {
		return "", 0
	}
	next, n := utf8.DecodeRuneInString(s[size:])
	if n > 0 && (narrow(next) == '@' || unicode.Is(unicode.Latin, next) || unicode.IsMark(next)) {
		return "", 0
	}
	return string(b), size
}

// tagOf gives the word at the beginning of s and its folded form, "" = it is no tag.
func tagOf(s string) (word, tag string) {
	end, letters := len(s), false
	for i, r := range s {
		part := r == '_' || unicode.IsDigit(r)
		switch {
		case unicode.IsMark(r), r == '\u200c', r == '\u200d': // in a word, behind a letter
			part = i > 0
		case unicode.IsLetter(r) && !social.Ignorable(r):
			part, letters = true, true
		}
		if !part {
			end = i
			break
		}
	}
	word = strings.TrimRightFunc(s[:end], social.Ignorable)
	if !letters || strings.HasPrefix(s[end:], "#") || strings.HasPrefix(s[end:], "＃") ||
		len(word) > 2*maxTag*utf8.UTFMax {
		return word, ""
	}
	tag = strings.Map(func(r rune) rune {
		if social.Ignorable(r) {
			return -1
		}
		return r
	}, cases.Fold().String(width.Fold.String(word)))
	if utf8.RuneCountInString(tag) > maxTag {
		return word, ""
	}
	return word, tag
}
