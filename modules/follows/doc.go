// Package follows keeps who follows whom, with the bell: the wish to be told of new posts.
//
// A follow is a row, two announcements (the relation of either side changed) and a fact, in one transaction. The
// outbox id of the follower's announcement is the moment from which the follower sees what the followed publishes.
package follows
