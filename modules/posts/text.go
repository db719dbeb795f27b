package posts

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/width"
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
//   - a URL is a scheme, "://" and everything up to white space;
//   - a name is "@", a letter and 1 to 29 letters, digits or underscores of ASCII. It is none if the run is
//     longer, goes on with a Latin letter, or with "@" (an address on another server);
//   - a tag is "#" or "＃" and letters, marks, digits and underscores of any script, one of them no digit and no
//     underscore; at most 64 code points after folding. A longer run is none.
func parse(text string) (names []name, tags []Tag) {
	before := rune(-1) // the code point before text[i]
	point := 0         // how many code points are before text[i]
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		switch {
		case r == ':' && isScheme(text, i):
			for end < len(text) {
				next, n := utf8.DecodeRuneInString(text[end:])
				if unicode.IsSpace(next) {
					break
				}
				end += n
			}
		case r == '@' && !joins(before):
			if n := nameLen(text[end:]); n > 0 {
				end += n
				names = append(names, name{strings.ToLower(text[i+1 : end]), point, point + 1 + n})
			}
		case (r == '#' || r == '＃') && !joins(before) && before != '&':
			if word, tag := tagOf(text[end:]); tag != "" {
				end += len(word)
				tags = append(tags, Tag{tag, point, point + 1 + utf8.RuneCountInString(word)})
			}
		}
		before, _ = utf8.DecodeLastRuneInString(text[:end])
		point += utf8.RuneCountInString(text[i:end])
		i = end
	}
	return names, tags
}

// joins reports whether what follows r belongs to r's word, address or path.
func joins(r rune) bool {
	if r < utf8.RuneSelf {
		return isNameByte(byte(r)) || (r > 0 && strings.ContainsRune("@#/=", r))
	}
	return r == '＃' || unicode.Is(unicode.Latin, r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

func isNameByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// isScheme reports whether the colon at i stands behind the scheme of a URL.
func isScheme(text string, i int) bool {
	return i > 0 && isNameByte(text[i-1]) && strings.HasPrefix(text[i:], "://")
}

// nameLen is the length of the name at the beginning of s, 0 = there is none.
func nameLen(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	if n < minName || n > maxName || s[0] == '_' || s[0] <= '9' {
		return 0
	}
	if next, _ := utf8.DecodeRuneInString(s[n:]); n < len(s) && (next == '@' || unicode.Is(unicode.Latin, next) ||
		unicode.IsMark(next)) {
		return 0
	}
	return n
}

// tagOf gives the word at the beginning of s and its folded form, "" = it is no tag.
func tagOf(s string) (word, tag string) {
	end, letters := len(s), false
	for i, r := range s {
		if r == utf8.RuneError || !(r == '_' || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) {
			end = i
			break
		}
		letters = letters || unicode.IsLetter(r)
	}
	word = s[:end]
	if !letters || strings.HasPrefix(s[end:], "#") || strings.HasPrefix(s[end:], "＃") {
		return word, ""
	}
	if len(word) > maxTag*utf8.UTFMax {
		return word, ""
	}
	tag = cases.Fold().String(width.Fold.String(word))
	if utf8.RuneCountInString(tag) > maxTag {
		return word, ""
	}
	return word, tag
}
