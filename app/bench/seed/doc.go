// Package seed makes the past of a site: a Plan says who is there, whom they follow and what they have done, and Fill
// writes the rows of it into an empty data directory, without a server.
//
// The package knows the tables of all modules, which nothing else may. A test plays small plans through the services
// and compares every row of every table, so a change of a schema that the package does not follow fails there.
package seed
