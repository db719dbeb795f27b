package event

import "github.com/belfry-social/belfry/modules/social"

// FollowStarted: Follower follows Followed and did not before.
type FollowStarted struct {
	Follower social.UserRef
	Followed social.UserRef
	At       social.Time
}

func (FollowStarted) FactName() string { return "follow started" }

// FollowEnded: a follow was taken back by either side, or with an account.
type FollowEnded struct {
	Follower social.ID
	Followed social.ID
	At       social.Time
}

func (FollowEnded) FactName() string { return "follow ended" }
