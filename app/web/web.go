// Package web is the web client at "/", served from the binary. Its sources are in src and client, in TypeScript; what
// build.mjs makes of them is committed in static, so that the program is built without Node.js.
package web

import "embed"

//go:embed static
var static embed.FS

// ContentSecurityPolicy is sent with every file: everything comes from here, nothing is inline.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
