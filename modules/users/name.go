package users

import "slices"

// Bounds of a username, in bytes; it is ASCII.
const (
	minName = 2
	maxName = 30
)

// FoldName gives a username in the one form in which it is kept and compared: lower case. False if it is no
// username: a letter, then 1 to 29 letters, digits and underscores. Only ASCII is folded, so no other letter turns
// into one of these.
func FoldName(name string) (string, bool) {
	if len(name) < minName || len(name) > maxName {
		return "", false
	}
	folded := []byte(name)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
			folded[i] = c
		}
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return "", false
		}
	}
	return string(folded), true
}

// routeNames are nobody's: /v1/users/by-name/<name> would meet another route below /v1/users/{id}.
var routeNames = []string{"block", "follow", "followers", "following", "mute", "posts"}

// officeNames speak for the site. Only the operator gives them out.
var officeNames = []string{
	"abuse", "about", "account", "admin", "administrator", "admins", "all", "anonymous", "api", "belfry", "billing",
	"bot", "channel", "contact", "deleted", "everybody", "everyone", "feedback", "guest", "help", "here", "home",
	"hostmaster", "info", "instance", "legal", "login", "logout", "mail", "me", "mod", "moderation", "moderator",
	"moderators", "mods", "news", "nobody", "noreply", "notifications", "null", "official", "operator", "owner",
	"postmaster", "privacy", "register", "root", "security", "server", "service", "settings", "site", "staff", "status",
	"support", "sysadmin", "system", "team", "terms", "undefined", "unknown", "user", "users", "webmaster", "www",
}

// isReserved reports a name that registration does not give out; the operator may give out more.
func isReserved(folded string, operator bool) bool {
	return slices.Contains(routeNames, folded) || !operator && slices.Contains(officeNames, folded)
}
