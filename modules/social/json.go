package social

import (
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"
)

// The functions below append JSON byte for byte as encoding/json writes it.

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

// AppendJSONText appends a text. encoding/json writes all but plain ASCII.
func AppendJSONText(b []byte, text string) []byte {
	for _, c := range []byte(text) {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(text) // never fails
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
