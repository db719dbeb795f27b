package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions this module asks. New fills in the absent answer; the host sets another before start.
type Ports struct {
	Limits social.Limits
	Media  Media
}

// Media has the pictures that people sent. Absent: there are none, so nobody has an avatar.
type Media interface {
	// Wear makes a picture the avatar of its owner and gives the file, as social.Site.MediaURL takes it; the zero id means
	// none. The fault validation_failed, at /avatar_media_id: not_found, not_ready.
	Wear(ctx context.Context, tx storage.Tx, owner, id social.ID) (string, error)
}
