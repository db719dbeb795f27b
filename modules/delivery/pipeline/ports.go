package pipeline

import (
	"context"
	"encoding/json"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Log is the event log as the pipeline reads it; storage.LogReader has it.
type Log interface {
	dispatch.Tail
	At(ctx context.Context, p social.Position) (social.Event, bool, error)
	Head() social.Cursor
	Kept() social.Kept
}

// Ports are the questions the pipeline asks. New fills them with absent answers: without follows nobody follows
// anybody, without notifications none is withdrawn and none is made, without posts there is none. The host sets them
// before Start.
type Ports struct {
	Follows       Follows
	Notifications Notifications
	Posts         Posts
}

// Follows tells who follows whom.
type Follows interface {
	// Edge gives one follow; false = there is none.
	Edge(ctx context.Context, q storage.Querier, follower, followed social.ID) (social.FollowEdge, bool, error)
	// BellFollowers tells which of these people follow author with the bell on, and since when.
	BellFollowers(ctx context.Context, q storage.Querier, author social.ID,
		among []social.ID) (map[social.ID]social.FollowEdge, error)
}

// Notifications tells what became of a notification, and makes those that delivery itself has to give.
type Notifications interface {
	// System makes a "system" notification in tx.
	System(ctx context.Context, tx storage.Tx, receiver social.ID, content, url string, data json.RawMessage) error
	// Withdrawn reports that a notification was taken back, or is not there.
	Withdrawn(ctx context.Context, q storage.Querier, notification social.ID) (bool, error)
}

// Posts tells which posts are still there.
type Posts interface {
	// Info gives what is known of posts; deleted ones are absent.
	Info(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]event.PostInfo, error)
}
