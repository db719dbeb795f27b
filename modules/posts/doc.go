// Package posts keeps posts, comments and likes, decides who sees them, and makes the home timeline.
//
// A comment is a post with ReplyTo; its audience is that of its top post. Everything that is read is read through a
// condition on the reader (see visible in store.go); what a reader may not see is not there. Nor is it walked: lists read
// ranges of indexes of which their reader may see everything (see span in lists.go), or have a budget (social.Walk).
//
// The home timeline holds no copies. It merges, by order key, the newest keys of those a person follows, which are
// kept in memory as a projection of the store (room timeline): correct for each snapshot, refilled when dropped.
package posts
