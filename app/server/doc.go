// Package server serves HTTP: it guards the framing, tells who is asking, spends budgets, checks requests against
// their operation, and answers every error as a problem (RFC 9457). Only here does a fault have a status code.
//
// A module adds its operations with Register, a channel its plain routes with Mount. Where to look:
//
//   - server.go is the life of a Server, observe.go what surrounds every request.
//   - guard.go and hosts.go refuse before a route is met.
//   - operation.go is the way of a request to the handler of a module, routes.go to that of a channel.
//   - access.go and limits.go decide who may go on; json.go and fields.go read bodies and name refused fields.
//   - problem.go is the table of codes and statuses.
//   - openapi.go, docs.go and instance.go describe the site; admin.go is the operator's own listener.
package server
