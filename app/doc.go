// Package app is the composition root: the only package that knows everybody. It wires modules and channels with Fx
// and owns the order of start and stop. app.go says what is wired, bindings.go how modules are tied to each other,
// run.go lists the steps; shell.go and commands.go answer the command line.
//
// A program of one's own is app.Main with more parts:
//
//	func main() { app.Main(telegram.Module) }
package app
