package social_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

var cursorForm = regexp.MustCompile(`^[1-9][0-9]{0,9}-(0|[1-9][0-9]{0,19})$`)

func TestParseCursor(t *testing.T) {
	for text, want := range map[string]social.Cursor{
		"1-0":                             {Epoch: 1},
		"1-1042":                          {Epoch: 1, Seq: 1042},
		"4294967295-18446744073709551615": {Epoch: math.MaxUint32, Seq: math.MaxUint64},
	} {
		if got, err := social.ParseCursor(text); err != nil || got != want || got.String() != text {
			t.Errorf("ParseCursor(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", "1", "1-", "-1", "0-1", "01-1", "1-01", "1--1", "1-1-1", "+1-1", "1-+1",
		"1 -1", "1-1 ", "1-1\n", "1-1\x00", "a-1", "1-a", "١-1",
		"4294967296-1", "1-18446744073709551616", "42_1631593143664", "id", strings.Repeat("1", 32), "1-" +
			strings.Repeat("9", 8192)} {
		if got, err := social.ParseCursor(text); err == nil {
			t.Errorf("ParseCursor(%.40q) = %v, want an error", text, got)
		}
	}
}

func TestParseCursorAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = social.ParseCursor("4294967295-18446744073709551615") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"1-1042", "", "1-", "0-0", "99999999999-1", "1-00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := social.ParseCursor(text)
		if err == nil && (c.String() != text || !cursorForm.MatchString(text)) {
			t.Errorf("%q was read as %s", text, c)
		}
		if err != nil && cursorForm.MatchString(text) && len(text) < 20 {
			t.Errorf("%q was refused", text)
		}
	})
}
