package server

import "github.com/danielgtaylor/huma/v2"

// Document is the OpenAPI document.
func (s *Server) Document() *huma.OpenAPI { return s.doc }
