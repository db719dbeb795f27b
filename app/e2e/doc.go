// Package e2e holds the tests of the whole program: as a person with an HTTP client, a browser or a stock event
// stream client meets it, and as a machine that fails under it does.
package e2e
