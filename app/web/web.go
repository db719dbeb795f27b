// Package web is the small web client at "/": plain HTML, CSS and JavaScript modules, served from the binary.
// There is no build step; what is in static is what the browser gets.
package web

import (
	"embed"
	"io/fs"
	"mime"
	"path"
)

//go:embed static
var static embed.FS

// ContentSecurityPolicy is sent with every file: everything comes from here, nothing is inline.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Page is the one HTML page, with the marks at which a head and a body for visitors stand.
func Page() []byte {
	b, err := static.ReadFile("static/index.html")
	if err != nil {
		panic(err) // embedded: cannot be absent
	}
	return b
}

// Asset returns a file below /assets/ and its media type; ok is false when there is none. Names with path
// elements are never found.
func Asset(name string) (content []byte, mediaType string, ok bool) {
	if !fs.ValidPath(name) || path.Base(name) != name || name == "index.html" {
		return nil, "", false
	}
	b, err := static.ReadFile("static/" + name)
	if err != nil {
		return nil, "", false
	}
	switch path.Ext(name) {
	case ".js":
		return b, "text/javascript; charset=utf-8", true
	case ".css":
		return b, "text/css; charset=utf-8", true
	case ".svg":
		return b, "image/svg+xml", true
	case ".txt":
		return b, "text/plain; charset=utf-8", true
	}
	return b, mime.TypeByExtension(path.Ext(name)), true
}
