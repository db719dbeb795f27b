package social

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
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

// MediaURL is the absolute address of a file of a picture: its token and its name, "k3v9Qm0rT1xZp8sWcB2yAw/full.jpg".
func (s Site) MediaURL(file string) string { return s.PublicURL + "/media/" + file }

// ShownFile is MediaURL of a file that may be none.
func (s Site) ShownFile(file *string) *string {
	if file == nil {
		return nil
	}
	url := s.MediaURL(*file)
	return &url
}

// ShownMedia gives a picture with the absolute addresses of its files; modules keep what MediaURL takes.
func (s Site) ShownMedia(m Media) Media {
	m.URL, m.PreviewURL = s.ShownFile(m.URL), s.ShownFile(m.PreviewURL)
	return m
}

// UserURL is the absolute address of a profile.
func (s Site) UserURL(username string) string { return s.PublicURL + "/@" + username }

// TagURL is the absolute address of the page of a tag.
func (s Site) TagURL(tag string) string { return s.PublicURL + "/tags/" + url.PathEscape(tag) }

// CookieName is the name of the session cookie: with https one that only this host can set (RFC 6265bis 4.1.3.2), and
// with the port if the public URL has one, because the servers of a host share their cookies.
func (s Site) CookieName() string {
	name := "belfry"
	scheme, host, _ := strings.Cut(s.PublicURL, "://")
	if scheme == "https" {
		name = "__Host-belfry"
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name += "_" + host[i+1:]
	}
	return name
}

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
