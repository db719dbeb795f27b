package event

import "github.com/belfry-social/belfry/modules/social"

// UserDeleted: an account has ended. Every module removes or hides what is that person's at once and empties
// the rest in pages. It travels because no foreign key crosses modules.
type UserDeleted struct {
	UserID social.ID
	At     social.Time
}

func (UserDeleted) FactName() string { return "user deleted" }
