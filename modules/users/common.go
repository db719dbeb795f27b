package users

import (
	"slices"
	"strings"
)

// commonWords are the stems of leaked passwords. A password is common if one of them, or the username, remains when
// case, look-alike digits and affixes are removed. A rule over few words refuses far more than a list of the same
// length.
var commonWords = strings.Fields(`
	password passwort passwd pass motdepasse contrasena senha parola wachtwoord secret geheim
	letmein welcome willkommen bienvenue login logon signin admin administrator root user guest test tester testing default
	changeme change temp temporary example sample demo qwerty qwertz azerty qwert asdf asdfgh asdfghjkl zxcvbn zxcvbnm
	iloveyou ilove love lovely loveme sweetheart princess prince angel baby babygirl sunshine flower butterfly
	dragon monkey tiger lion eagle falcon phoenix shadow master killer hunter ranger ninja samurai pirate wizard
	football baseball basketball soccer hockey tennis golf liverpool chelsea arsenal barcelona realmadrid juventus
	superman batman spiderman ironman pokemon pikachu naruto starwars skywalker matrix mustang ferrari porsche mercedes
	corvette yamaha harley computer internet samsung google facebook apple microsoft windows linux android iphone
	michael jordan jennifer jessica ashley daniel thomas robert charlie andrew george william matthew nicole michelle
	trustno trustme access mypassword mypass nothing whatever freedom forever hello hellothere goodluck blessed jesus
	summer winter autumn spring january february march april june july august september october november december
	monday tuesday wednesday thursday friday saturday sunday cheese chocolate cookie pepper ginger banana orange purple
	silver golden diamond crystal thunder lightning maverick scooter bailey maggie buster belfry abc abcd abcdef abcdefg
	qazwsx qazwsxedc zaqwsx qweasd qweasdzxc onetwothree number money hacker hacked security system server database`)

// keyRows are rows and common zigzags of keyboards, and the alphabet.
var keyRows = []string{
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1234567890", "0123456789", "abcdefghijklmnopqrstuvwxyz", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1q2w3e4r5t6z7u8i9o0p",
	"1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm", "zaq1xsw2cde3vfr4",
}

// isCommon reports a password that an attacker tries first: a common word or the username with affixes, a repetition,
// or a keyboard walk. A password longer than 24 bytes is never common.
func isCommon(password, username string) bool {
	if len(password) > 24 {
		return false
	}
	low := strings.ToLower(password)
	if repeats(low) || walks(low) {
		return true
	}
	if len(low) <= 12 && trimmed(low) == "" {
		return true // a date, a telephone number
	}
	for _, form := range []string{trimmed(low), plainForm(trimmed(low)), trimmed(plainForm(low))} {
		if form == username || slices.Contains(commonWords, form) {
			return true
		}
	}
	return false
}

// trimmed removes affixes without letters.
func trimmed(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r < 'a' || r > 'z' && r < 0x80 })
}

func plainForm(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!",
		"i").Replace(s)
}

// repeats reports a repeated piece of at most a third and at most 4 bytes; the last repetition may be cut.
func repeats(s string) bool {
	for n := 1; n <= 4 && n*3 <= len(s)+1; n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) {
			return true
		}
	}
	return false
}

// walks reports two or fewer straight walks over the keyboard, in either direction, that make up all of s.
func walks(s string) bool {
	for range 2 {
		best := 0
		for _, row := range keyRows {
			best = max(best, commonPrefixIn(s, row), commonPrefixIn(s, reversed(row)))
		}
		if best < 3 {
			return false
		}
		if s = s[best:]; s == "" {
			return true
		}
	}
	return false
}

// commonPrefixIn is the length of the longest beginning of s that stands somewhere in row.
func commonPrefixIn(s, row string) int {
	n := 0
	for n < len(s) && strings.Contains(row, s[:n+1]) {
		n++
	}
	return n
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
