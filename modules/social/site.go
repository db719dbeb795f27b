package social

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Site is what every part knows of this server.
type Site struct {
	Name      string
	PublicURL string // scheme and host, without a trailing slash
	Version   string
}

// PostURL is the absolute address of a post or comment.
func (s Site) PostURL(id ID) string { return s.PublicURL + "/p/" + id.String() }

// UserURL is the absolute address of a profile.
func (s Site) UserURL(username string) string { return s.PublicURL + "/@" + username }

// FollowEdge is one follow as others need it.
type FollowEdge struct {
	User     ID       // the followed
	Since    Position // outbox id of the follow's own entry, compared as a position of the log
	SinceKey int64    // order key of the follow: posts with a greater key came after it
	Bell     bool
}

// ETagOf is the entity tag of a body, quoted. A weak one starts with W/.
func ETagOf(body []byte, weak bool) string {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	if weak {
		return "W/" + tag
	}
	return tag
}

// HasETag reports whether an If-None-Match header names a tag, or is *. Tags are compared weakly (RFC 9110, 13.1.2).
func HasETag(ifNoneMatch, tag string) bool {
	for given := range strings.SplitSeq(ifNoneMatch, ",") {
		if strings.TrimPrefix(strings.TrimSpace(given), "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return strings.TrimSpace(ifNoneMatch) == "*"
}
