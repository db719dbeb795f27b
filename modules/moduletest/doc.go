// Package moduletest boots one module on a temporary store: a SQLite file, a clock that is set by hand, and an
// outbox that can be read back. It is a kit for tests and imports what modules may not.
package moduletest
