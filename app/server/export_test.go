package server

import (
	"maps"
	"net"
	"os"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Document is the OpenAPI document.
func (s *Server) Document() *huma.OpenAPI { return s.doc }

// The bounds of connections that linger, and what they bound.
const (
	LingerCount = lingerCount
	LingerBytes = lingerBytes
	LingerTime  = lingerTime
)

type Lingering = lingering

func (l *lingering) Take(c net.Conn) bool { return l.take(&conn{Conn: c, socket: c, lingering: l}) }

func (l *lingering) Stop() { l.stop() }

// Codes are the codes of problems.
func Codes() []social.Code { return slices.Sorted(maps.Keys(problems)) }

// Spooled are the uploads that lie on disk under a name.
func (s *Server) Spooled() (names []string, err error) {
	list, err := os.ReadDir(s.spool)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}
