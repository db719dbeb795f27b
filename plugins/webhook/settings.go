package webhook

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// settings are what a person gives: {"url": "https://…"}.
type settings struct {
	URL string `json:"url"`
}

const maxURL = 2048

// refusedPorts are services that a request must not be sent to by mistake or malice: databases, caches, queues
// and mail above 1023. Below, all but 80 and 443 are refused.
var refusedPorts = []uint64{1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4222, 5432, 5672, 5900, 5984,
	6379, 6380, 6443, 8086, 9042, 9092, 9200, 9300, 10250, 11211, 27017, 27018}

// CheckEndpoint takes {"url": …} and nothing else: an absolute https address (http where the configuration allows
// it), without user or fragment, whose host is not plainly private and whose port is not refused.
func (c *Channel) CheckEndpoint(raw json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, refuse("/settings", social.FieldWrongType, "An object with a url.")
	}
	for name := range members {
		if name != "url" {
			at := "/settings/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			return nil, refuse(at, social.FieldUnknown, "There is no such setting.")
		}
	}
	if _, ok := members["url"]; !ok {
		return nil, refuse("/settings/url", social.FieldRequired, "The address to post to.")
	}
	var s settings
	if err := json.Unmarshal(members["url"], &s.URL); err != nil {
		return nil, refuse("/settings/url", social.FieldWrongType, "A string.")
	}
	if err := c.checkURL(s.URL); err != nil {
		return nil, err
	}
	return json.RawMessage(`{"url":` + strconv.Quote(s.URL) + `}`), nil // printable ASCII: quoted alike in JSON
}

func (c *Channel) checkURL(text string) error {
	const at = "/settings/url"
	if len(text) > maxURL {
		return refuse(at, social.FieldTooLong, "At most 2048 characters.")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || !printable(text):
		return refuse(at, social.FieldBadFormat, "An absolute address, https://…")
	case u.Scheme != "https" && (u.Scheme != "http" || !c.cfg.AllowHTTP):
		return refuse(at, social.FieldNotAllowed, "The address must begin with https://.")
	case u.User != nil:
		return refuse(at, social.FieldNotAllowed, "No user or password in the address.")
	case u.Fragment != "":
		return refuse(at, social.FieldNotAllowed, "No fragment in the address.")
	case c.cfg.AllowPrivate:
		return nil
	case !plugins.PublicHost(u.Hostname()):
		return refuse(at, social.FieldNotAllowed, "The host must be public.")
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || (port < 1024 && port != 80 && port != 443) || slices.Contains(refusedPorts, port) {
			return refuse(at, social.FieldNotAllowed, "This port is not allowed.")
		}
	}
	return nil
}

// printable refuses spaces, controls and raw non-ASCII, which net/url lets through in places.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}

func refuse(pointer string, code social.FieldCode, detail string) error {
	return social.Invalid(social.BodyField(pointer, code, detail))
}
