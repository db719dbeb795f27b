// Package notifications keeps a row for each act that names a person: its group, its read state and its withdrawal.
//
// "Someone you follow posted" is no row. It is derived from the follow (with its bell on) and the post, in lists
// and in counts, with the post's id and order key; a row about the same post takes its place. Only read
// state, archiving and deletion of a single derived item are stored.
//
// Read state is one watermark per person plus exceptions in the rows, so that marking everything is one write. A
// group's state is that of its newest member, which is also what stands for it in lists and counts; when the newest
// member is withdrawn, the one that takes its place is seen and read if either of them was.
//
// Every change is announced in the receiver's to: stream, in the transaction that makes it.
package notifications
