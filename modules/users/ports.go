package users

import "github.com/belfry-social/belfry/modules/social"

// Ports are the questions this module asks, of no other module. New fills in the absent answer; the host sets another
// before start.
type Ports struct {
	Limits social.Limits
}
