package server

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// asciiNames turns international names into the ASCII of RFC 5891 as browsers do (UTS 46, non-transitional).
var asciiNames = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false), idna.StrictDomainName(false),
	idna.VerifyDNSLength(true))

// canonicalOrigin is the origin of an http or https URL as browsers write it (RFC 6454 6.2): scheme and host in lower
// case, the host in ASCII, without the scheme's own port. A slash at the end is all that may follow. Its errors
// repeat nothing of text.
func canonicalOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", errors.New("must be a URL such as https://social.example")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("must be an http or https URL")
	case u.User != nil || strings.ContainsAny(text, "?#") || (u.Path != "" && u.Path != "/"):
		return "", errors.New("must have neither path, query nor user")
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.Port() == "" {
		return u.Scheme + "://" + host, nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return "", errors.New("must have a port of at most 65535")
	}
	if port == map[string]uint64{"http": 80, "https": 443}[u.Scheme] {
		return u.Scheme + "://" + host, nil
	}
	return fmt.Sprintf("%s://%s:%d", u.Scheme, host, port), nil
}

// canonicalHost is a host name or address as browsers write it, without brackets and without a dot at the end.
func canonicalHost(name string) (string, error) {
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		name = name[1 : len(name)-1]
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Zone() != "" {
			return "", errors.New("must be an address without a zone")
		}
		return ip.String(), nil
	}
	ascii, err := asciiNames.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil {
		return "", errors.New("must be a valid host name")
	}
	labels := strings.Split(ascii, ".")
	for _, label := range labels {
		if label == "" || strings.Trim(label, nameBytes) != "" {
			return "", errors.New("must be a host name or address, without port and wildcard")
		}
	}
	// Browsers read what ends in a number as an address, and write it in another way.
	last := labels[len(labels)-1]
	if hex, ok := strings.CutPrefix(last, "0x"); strings.Trim(last, "0123456789") == "" ||
		(ok && strings.Trim(hex, "0123456789abcdef") == "") {
		return "", errors.New("must be a host name, or an address such as 192.0.2.1")
	}
	return ascii, nil
}

// nameBytes are the bytes of a label. The underscore is in names of local networks.
const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// validateHosts is for the keys allowed_hosts.
func validateHosts(names []string) error {
	return eachItem("allowed_hosts", names, func(name string) error {
		_, err := canonicalHost(name)
		return err
	})
}
