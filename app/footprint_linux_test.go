package app

import (
	"os"
	"strings"
	"testing"
)

func TestOwnPagesAreTheReadOnlyOnesOfTheProgram(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-01100000 r-xp 00000000 fe:00 123                                /opt/belfry": true,
		"01100000-01e00000 r--p 00d00000 fe:00 123                                /opt/belfry": true,
		"01e00000-01f00000 rw-p 01a00000 fe:00 123                                /opt/belfry": false, // written: not the file's any more
		"7f0000000000-7f0000100000 r--s 00000000 fe:00 9                          /data/log":   false,
		"7f0000200000-7f0000300000 rw-p 00000000 00:00 0 ":                                     false,
		"": false,
	} {
		from, to, ok := ownPages(line, "/opt/belfry")
		if ok != want || (ok && from >= to) {
			t.Errorf("%q: %x-%x %v", line, from, to, ok)
		}
	}
}

func TestSettleLetsGoOfTheProgramsPages(t *testing.T) {
	before := programRSS(t)
	settle()
	if after := programRSS(t); after >= before {
		t.Errorf("resident pages of the program: %d kB before, %d kB after", before, after)
	}
}

// programRSS adds up what is resident of the test's own file, read-only.
func programRSS(t *testing.T) (kb int) {
	t.Helper()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	own := false
	for line := range strings.Lines(string(b)) {
		if _, _, ok := ownPages(line, self); ok {
			own = true
		} else if f := strings.Fields(line); len(f) > 0 && !strings.HasSuffix(f[0], ":") {
			own = false
		}
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok && own {
			kb += number(t, rest)
		}
	}
	return kb
}

func number(t *testing.T, s string) (n int) {
	t.Helper()
	for _, c := range strings.Fields(s)[0] {
		n = n*10 + int(c-'0')
	}
	return n
}
