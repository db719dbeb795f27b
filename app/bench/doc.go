// Package bench is the load tool behind `belfry bench`: it drives a server that is a process of its own over
// loopback, measures it, and checks that every event came once and in order. A run in which one did not has no
// figures.
//
// A measurement is a Scenario: a name, flags, and a function that is given a Bench. From there it asks for a server
// with people in it (Bench.Serve), holds their event streams (crowd), asks over HTTP (caller), measures what that
// costs (Bench.Measure) and adds rows to the Report. The client is meant to cost little beside the server; what it
// costs is in the report as well, so that a reader can see whether the tool was the limit.
package bench
