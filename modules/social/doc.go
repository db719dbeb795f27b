// Package social is the vocabulary that every part of Belfry shares: ids, times, who is acting, faults,
// pages, and the words of the event log (position, cursor, stream, event, audience).
//
// It imports the standard library and uuid only, so that every other package may import it. It holds no
// behaviour of a domain; the domains are its sub-packages. Its exported surface is a golden file
// (testdata/surface.txt), so that growth shows in review.
package social
