package webhook

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

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
// it), without user or fragment, whose host is not plainly private and whose port is not refused. The settings kept
// have the address in ASCII.
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
	var err error
	if s.URL, err = c.checkURL(s.URL); err != nil {
		return nil, err
	}
	return json.RawMessage(`{"url":` + strconv.Quote(s.URL) + `}`), nil // printable ASCII: quoted alike in JSON
}

// checkURL gives the address in the form in which it is used.
func (c *Channel) checkURL(text string) (string, error) {
	const at = "/settings/url"
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return "", refuse(at, social.FieldBadFormat, "An absolute address, https://…")
	}
	text, host, err := asciiURL(text, u)
	switch {
	case err != nil:
		return "", refuse(at, social.FieldBadFormat, "The host is not a valid name.")
	case len(text) > maxURL:
		return "", refuse(at, social.FieldTooLong, "At most 2048 characters, in ASCII.")
	case !printable(text):
		return "", refuse(at, social.FieldBadFormat, "An absolute address, https://…")
	case u.Scheme != "https" && (u.Scheme != "http" || !c.cfg.AllowHTTP):
		return "", refuse(at, social.FieldNotAllowed, "The address must begin with https://.")
	case u.User != nil:
		return "", refuse(at, social.FieldNotAllowed, "No user or password in the address.")
	case u.Fragment != "":
		return "", refuse(at, social.FieldNotAllowed, "No fragment in the address.")
	case c.cfg.AllowPrivate:
		return text, nil
	case !plugins.PublicHost(host):
		return "", refuse(at, social.FieldNotAllowed, "The host must be public.")
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || (port < 1024 && port != 80 && port != 443) || slices.Contains(refusedPorts, port) {
			return "", refuse(at, social.FieldNotAllowed, "This port is not allowed.")
		}
	}
	return text, nil
}

// international is how a host that somebody typed becomes one that DNS knows (RFC 5891, 5; UTS #46, not transitional).
var international = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true),
	idna.VerifyDNSLength(true))

// valid is the same for a host in ASCII, in which DNS allows hyphens anywhere.
var valid = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
	idna.CheckHyphens(false))

// checkHost refuses what no DNS knows: empty and long labels, punycode that stands for nothing. An underscore is let
// through, as local networks have it, and the dot at the end.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	_, err := valid.ToASCII(strings.ReplaceAll(strings.TrimSuffix(host, "."), "_", "x"))
	return err
}

// asciiURL gives an address, and its host, in ASCII (RFC 3987, 3.1): the host by IDNA, so that bücher.example is
// xn--bcher-kva.example, all else percent-encoded. One in ASCII stays as it is.
func asciiURL(text string, u *url.URL) (ascii, host string, err error) {
	host = u.Hostname()
	if isASCII(host) {
		err = checkHost(host)
	}
	if err != nil || isASCII(text) && isASCII(host) {
		return text, host, err
	}
	if !isASCII(host) {
		if host, err = international.ToASCII(host); err != nil {
			return "", "", err
		}
		authority := host
		if p := u.Port(); p != "" {
			authority += ":" + p
		}
		_, rest, _ := strings.Cut(text, "://")
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[i:]
		} else {
			rest = ""
		}
		text = u.Scheme + "://" + authority + rest
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), host, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// printable refuses spaces and controls, which net/url lets through in places.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}

func refuse(pointer string, code social.FieldCode, detail string) error {
	return social.Invalid(social.BodyField(pointer, code, detail))
}
