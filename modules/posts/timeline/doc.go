// Package timeline tells which top-level posts stand in timelines: the order keys of a window over many authors, as one
// snapshot of the store holds them.
//
// A timeline is no copy. It merges the newest keys of its authors, which Keys holds in memory as a projection of the
// table posts. The projection follows the store by what each snapshot shows, so it is right for any snapshot and for
// any number of processes that write. What a post looks like, and who may see it, is decided by package posts, which
// writes the tables.
package timeline
