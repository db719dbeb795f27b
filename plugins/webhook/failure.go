package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/belfry-social/belfry/plugins"
)

// sendError tells an attempt's outcome. It holds no URL, as one may hold a secret.
type sendError struct {
	outcome string
	status  int
	detail  string
}

func (e *sendError) Error() string {
	if e.status != 0 {
		return fmt.Sprintf("webhook: status %d", e.status)
	}
	return "webhook: " + e.outcome + ": " + e.detail
}

// Outcome shows the attempt to the endpoint's owner.
func (e *sendError) Outcome() (string, int, string) { return e.outcome, e.status, e.detail }

// failure turns an error of the client into what its owner may know. The client's own text names the URL, so it
// is not used.
func failure(err error) error {
	var (
		dns       *net.DNSError
		cert      *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, plugins.ErrBlockedAddress):
		return &sendError{"blocked_address", 0, "the name leads to an address that is not public"}
	case errors.As(err, &cert), errors.As(err, &authority):
		return &sendError{"tls", 0, "the certificate is not trusted"}
	case errors.As(err, &record), errors.As(err, &alert):
		return &sendError{"tls", 0, "the handshake failed"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &sendError{"timeout", 0, "no answer in time"}
	case errors.As(err, &dns):
		return &sendError{"connect", 0, "the name was not found"}
	default:
		return &sendError{"connect", 0, "the connection failed"}
	}
}

var _ plugins.Outcome = (*sendError)(nil)
