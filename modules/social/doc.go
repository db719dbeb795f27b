// Package social is the vocabulary that every part of Belfry shares: ids, times, who is acting, faults,
// pages, and the words of the event log (position, cursor, stream, event, audience).
//
// The package imports the standard library and uuid only, so that every other package may import it. No behaviour of a
// domain is here; the domains are the packages beside it. The exported surface is a golden file
// (testdata/surface.txt), so that growth shows in review.
package social
