// Package media keeps the pictures that people send: photos of posts, and avatars.
//
// A picture is a row and two files. The row comes first and says "in work"; then the files are made and written; then
// the row says "ready". So every file belongs to a row at every moment, and a process that ends in between leaves a row
// that the next start calls failed. At the end the order is the opposite one: the row is marked as gone, in the
// transaction that says so (a post is deleted, an account ends), from when on nobody is shown it; a job removes the
// files, and the row last. A picture that nothing uses goes after a day.
//
// The 128 random bits in the address of a file are the permission to read it. Posts keep a copy of what they show
// (social.Media), so that a list of posts asks nothing here. An avatar that was replaced stays until the event log's
// floor has passed that moment: events from before name it.
package media
