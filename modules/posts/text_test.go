package posts

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belfry-social/belfry/modules/social"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 31)
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "hello", ""},
		{"the page's own example", "First light, @bob #harbour", "@bob 13-17 #harbour 18-26"},
		{"upper case is folded", "@Bob #HarBour", "@bob 0-4 #harbour 5-13"},
		{"right behind a Latin letter", "é@bob", ""},
		{"emoji before", "🎉 @bob", "@bob 2-6"},
		{"emoji right before", "🎉@bob", "@bob 1-5"},
		{"kana before and behind", "やあ@bobさん", "@bob 2-6"},
		{"brackets and full stop", "(@bob). .@amy, \"@eve\"!", "@bob 1-5 @amy 9-13 @eve 16-20"},
		{"mail address", "bob@example.com a.b@example.com", ""},
		{"name on another server", "@bob@example.com", ""},
		{"too short, too long, bad start", "@b @" + long + " @1ab @_ab", ""},
		{"longest", "@" + long[1:], "@" + long[1:] + " 0-31"},
		{"Latin letter goes on", "@bobé @müller", ""},
		{"combining mark goes on", "@bob\u0301", ""},
		{"URL", "see https://x.example/@bob#part?q=@amy then @eve", "@eve 44-48"},
		{"URL until the end", "https://x.example/#a", ""},
		{"colon is no URL", "hi:@bob http:// @amy", "@bob 3-7 @amy 16-20"},
		{"path and query", "x.example/@bob ?u=@amy /#tag", ""},
		{"line feed", "@bob\n#x", "@bob 0-4 #x 5-7"},
		{"tag of digits", "#1 #2026 #1st #_", "#1st 9-13"},
		{"tags in other scripts", "#große #ハロー #日本語 #हिन्दी", "#grosse 0-6 #ハロー 7-11 #日本語 12-16 #हिन्दी 17-24"},
		{"full-width tag", "＃ＡＢＣ", "#abc 0-4"},
		{"half-width kana is widened", "#ﾊﾛｰ", "#ハロー 0-4"},
		{"entity", "&#39; &#x27;", ""},
		{"tag in a word", "a#b #c", "#c 4-6"},
		{"two hashes", "##b #c#d", ""},
		{"hash and at alone", "# @ #! @!", ""},
		{"longest tag", "#" + strings.Repeat("b", 64), "#" + strings.Repeat("b", 64) + " 0-65"},
		{"too long a tag", "#" + strings.Repeat("b", 65), ""},
		{"too long when folded", "#" + strings.Repeat("ß", 33), ""},
		{"mark before", "नमस्ते@bob ที่@bob مرحباً@bob", "@bob 6-10 @bob 14-18 @bob 25-29"},
		{"emoji with a selector before", "❤️@bob 1️⃣@bob #️⃣@bob ❤️#love", "@bob 2-6 @bob 10-14 @bob 18-22 #love 25-30"},
		{"mark on a Latin letter before", "x\u0323\u0301@bob x\u0301#tag", ""},
		{"digits of a script without spaces", "๑๒@bob १@amy", "@bob 2-6 @amy 8-12"},
		{"full-width digit before", "１@bob", ""},
		{"behind a tag", "#हिन्दी@bob", "#हिन्दी 0-7 @bob 7-11"},
		{"full-width at", "＠bob ＠ｂｏｂ @Ｂob＿1", "@bob 0-4 @bob 5-9 @bob_1 10-16"},
		{"full-width at twice", "＠＠bob a＠bob @bob＠example.com", ""},
		{"URL in angle brackets", "<https://x.example>@bob https://x.example\"#tag", "@bob 19-23 #tag 42-46"},
		{"URL before other punctuation", "http://x.example、@bob", "@bob 17-21"},
		{"URL in other quotes", "«https://x.example»@bob “https://x.example”#tag", "@bob 19-23 #tag 43-47"},
		{"URL in wide brackets", "（https://x.example/）@bob", "@bob 20-24"},
		{"URL with letters and dashes of others", "https://x.example/ä–б/例/@amy", ""},
		{"URL with a wide at", "https://x.example/＠amy", ""},
		{"URL in a link", "<a href=\"https://x.example/@amy\">@bob</a>", "@bob 33-37"},
		{"joiner in a tag", "#نمی\u200cخواهم #نمیخواهم", "#نمیخواهم 0-10 #نمیخواهم 11-20"},
		{"selector behind a tag", "#love\ufe0f #love\u200d❤", "#love 0-5 #love 7-12"},
		{"letters that show nothing", "#\u3164 #a\u3164b #\u115f", "#a 3-5"},
		{"keycap", "#️⃣abc", ""},
		{"twice", "@bob @bob", "@bob 0-4 @bob 5-9"},
		{"bad UTF-8", "\xff@bob #\xff", "@bob 1-5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := found(tt.text); got != tt.want {
				t.Errorf("parse(%q) finds %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

// found writes what parse finds, in the order of the text.
func found(text string) string {
	names, tags := parse(text)
	var out []string
	for len(names)+len(tags) > 0 {
		if len(tags) == 0 || len(names) > 0 && names[0].start < tags[0].Start {
			out = append(out, fmt.Sprintf("@%s %d-%d", names[0].name, names[0].start, names[0].end))
			names = names[1:]
		} else {
			out = append(out, fmt.Sprintf("#%s %d-%d", tags[0].Tag, tags[0].Start, tags[0].End))
			tags = tags[1:]
		}
	}
	return strings.Join(out, " ")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "First light, @bob #harbour", "＃ＡＢＣ", "https://x/@a", "🎉@bob\n#x", "\xff@bob",
		"@bob@x", "##", "&#39;", "#\u0301a", "❤️@bob", "＠ｂob", "<https://x>@bob", "https://x。@bob", "#a\u200cb\ufe0f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, tags := parse(text)
		points := []rune(text)
		last := 0
		for _, n := range names {
			if n.start < last || n.end > len(points) || narrow(points[n.start]) != '@' ||
				strings.ToLower(strings.Map(narrow, string(points[n.start+1:n.end]))) != n.name {
				t.Fatalf("%q: name %+v does not stand there", text, n)
			}
			if len(n.name) < minName || len(n.name) > maxName || n.name[0] < 'a' || n.name[0] > 'z' {
				t.Fatalf("%q: %q is no name", text, n.name)
			}
			last = n.end
		}
		last = 0
		for _, g := range tags {
			if g.Start < last || g.End > len(points) || points[g.Start] != '#' && points[g.Start] != '＃' || g.Tag == "" ||
				utf8.RuneCountInString(g.Tag) > maxTag || strings.ContainsFunc(g.Tag, social.Ignorable) {
				t.Fatalf("%q: tag %+v does not stand there", text, g)
			}
			last = g.End
		}
	})
}
