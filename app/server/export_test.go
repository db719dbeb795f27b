package server

import (
	"maps"
	"net"
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

func (l *lingering) Take(c net.Conn) bool { return l.take(c) }

func (l *lingering) Stop() { l.stop() }

// Codes are the codes of problems.
func Codes() []social.Code { return slices.Sorted(maps.Keys(problems)) }
