package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/belfry-social/belfry/plugins"
)

// sendError tells an attempt's outcome. It holds no URL, as one may hold a secret.
type sendError struct {
	outcome string
	status  int
	detail  string
	cause   error // for the host's figures; nil = nothing more is known
}

func (e *sendError) Error() string {
	if e.status != 0 {
		return fmt.Sprintf("webhook: status %d", e.status)
	}
	return "webhook: " + e.outcome + ": " + e.detail
}

func (e *sendError) Unwrap() error { return e.cause }

// Outcome shows the attempt to the endpoint's owner.
func (e *sendError) Outcome() (string, int, string) { return e.outcome, e.status, e.detail }

// failure turns an error of the client into what its owner may know. The client's own text names the URL, so it
// is not used. A name that is missing and one that leads to an address that is not public look alike: nobody learns
// which names are known inside.
func failure(err error, host string) error {
	var (
		dns       *net.DNSError
		cert      *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, plugins.ErrBusyAddress):
		return plugins.ErrBusyAddress
	case errors.Is(err, plugins.ErrBlockedAddress) && isAddress(host):
		return &sendError{"blocked_address", 0, "the address is not public", nil}
	case errors.Is(err, plugins.ErrBlockedAddress):
		return &sendError{"connect", 0, leadsNowhere, plugins.ErrBlockedAddress}
	case errors.As(err, &dns):
		return &sendError{"connect", 0, leadsNowhere, nil}
	case errors.As(err, &cert), errors.As(err, &authority):
		return &sendError{"tls", 0, "the certificate is not trusted", nil}
	case errors.As(err, &record), errors.As(err, &alert):
		return &sendError{"tls", 0, "the handshake failed", nil}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &sendError{"timeout", 0, "no answer in time", nil}
	default:
		return &sendError{"connect", 0, "the connection failed", nil}
	}
}

const leadsNowhere = "the name leads to no address that is public"

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

var _ plugins.Outcome = (*sendError)(nil)
