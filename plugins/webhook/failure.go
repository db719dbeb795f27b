package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"github.com/belfry-social/belfry/plugins"
)

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
		return &sendError{outcome: "blocked_address", detail: "the name leads to an address that is not public"}
	case errors.As(err, &cert), errors.As(err, &authority):
		return &sendError{outcome: "tls", detail: "the certificate is not trusted"}
	case errors.As(err, &record), errors.As(err, &alert):
		return &sendError{outcome: "tls", detail: "the handshake failed"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &sendError{outcome: "timeout", detail: "no answer in time"}
	case errors.As(err, &dns):
		return &sendError{outcome: "connect", detail: "the name was not found"}
	default:
		return &sendError{outcome: "connect", detail: "the connection failed"}
	}
}
