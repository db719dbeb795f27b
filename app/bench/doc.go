// Package bench is the load tool behind `belfry bench`: it drives a server that is a process of its own over
// loopback, measures it, and checks that every event came once and in order. A run with faults has no figures.
//
// A measurement is a Scenario: a name, flags, and a function that is given a Bench. Bench.Serve gives it a server with
// people on it; rows and checks go to the Report. The rooms below hold the rest: client drives and judges, seed makes
// the past of a site, floor is the bare program to compare with, machine asks the operating system. The client's own
// CPU is in the report, so that a reader sees whether the tool was the limit.
//
// Only app imports the load tool, to register its command.
package bench
