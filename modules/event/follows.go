package event

import "github.com/belfry-social/belfry/modules"

// FollowStarted: Follower follows Followed and did not before.
type FollowStarted struct {
	Follower modules.UserRef
	Followed modules.UserRef
	At       modules.Time
}

// FactName is "follow started".
func (FollowStarted) FactName() string { return "follow started" }

// FollowEnded: a follow was taken back by either side, or with an account.
type FollowEnded struct {
	Follower modules.ID
	Followed modules.ID
	At       modules.Time
}

// FactName is "follow ended".
func (FollowEnded) FactName() string { return "follow ended" }
