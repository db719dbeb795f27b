package social

import (
	"encoding/hex"
	"unicode/utf8"
)

// What writes itself as JSON, byte for byte as encoding/json would, is made of these.

// AppendJSONID appends an id.
func AppendJSONID(b []byte, id ID) []byte {
	b = append(b, '"')
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return append(b, '"')
}

// AppendJSONTime appends a moment; nil is null.
func AppendJSONTime(b []byte, t *Time) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	b, _ = t.AppendText(append(b, '"')) // never fails
	return append(b, '"')
}

// AppendJSONRef appends a user's names; nil is null.
func AppendJSONRef(b []byte, r *UserRef) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	b = AppendJSONID(append(b, `{"id":`...), r.ID)
	b = AppendJSONText(append(b, `,"username":`...), r.Username)
	b = AppendJSONText(append(b, `,"display_name":`...), r.DisplayName)
	return append(AppendJSONOptional(append(b, `,"avatar_url":`...), r.AvatarURL), '}')
}

// AppendJSONOptional appends a text; nil is null.
func AppendJSONOptional(b []byte, text *string) []byte {
	if text == nil {
		return append(b, "null"...)
	}
	return AppendJSONText(b, *text)
}

// AppendJSONText appends a text: what would mean something in HTML or JavaScript is escaped, and what is not UTF-8 is
// replaced.
func AppendJSONText(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = appendEscape(append(b, text[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, text[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, text[start:i]...), `\u202`...)
			b = append(b, "89"[r-'\u2028'])
			start = i + size
		}
		i += size
	}
	return append(append(b, text[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return hex.AppendEncode(append(b, `\u00`...), []byte{c})
}
