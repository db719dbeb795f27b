package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Remove removes anybody's post or comment, for the operator; what follows is what follows on its author's Delete.
// The fault not_found when there is none.
func (s *Service) Remove(ctx context.Context, id social.ID) error {
	err := s.end(ctx, id, func(tx storage.Tx) (row, social.UserRef, error) {
		list, err := queryRows(ctx, tx, false, `SELECT `+columns+` FROM posts p WHERE p.id = $2 AND `+standing,
			social.ID{}, id)
		if err != nil {
			return row{}, social.UserRef{}, err
		}
		if len(list) == 0 {
			return row{}, social.UserRef{}, social.NotFound()
		}
		author, err := s.person(ctx, tx, social.Actor{UserID: list[0].author})
		return list[0], author, err
	})
	return social.Wrap(err, "posts: remove %s", id)
}
