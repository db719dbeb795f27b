package event

import "github.com/belfry-social/belfry/modules/social"

// UserDeleted: an account has ended. Every module removes or hides what is that person's at once and empties
// the rest in pages. It travels because no foreign key crosses modules.
type UserDeleted struct {
	UserID   social.ID
	At       social.Time
	Position social.Position // of user.deleted, the last announcement in the account's by: stream
}

func (UserDeleted) FactName() string { return "user deleted" }

// AccessReset: an operator has ended everything that could act for an account or read what it is told.
type AccessReset struct {
	UserID social.ID
	At     social.Time
}

func (AccessReset) FactName() string { return "access reset" }
