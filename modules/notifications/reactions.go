package notifications

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Reactions are what notifications does about the facts of others, inside their transactions. app/bindings.go puts
// them on the bus.
func (s *Service) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("notifications: notify those named", s.onPublished),
		event.On("notifications: notify those named anew", s.onEdited),
		event.On("notifications: notify the author", s.onLiked),
		event.On("notifications: withdraw a like", s.onUnliked),
		event.On("notifications: withdraw all about a post", s.onRemoved),
		event.On("notifications: notify the followed", s.onFollowed),
		event.On("notifications: withdraw a follow", s.onUnfollowed),
		event.On("notifications: a person is gone", s.onUserDeleted),
	}
}

// onPublished notifies each person a post names once: as author of the top post, else as author of the comment that is
// answered, else as mentioned, if they can see it.
func (s *Service) onPublished(ctx context.Context, tx storage.Tx, f event.PostPublished) error {
	type named struct {
		kind   string
		person social.ID
	}
	p := f.Post
	var people []named
	if p.Kind() == event.KindComment {
		people = append(people, named{typeComment, p.RootAuthor})
		if p.ReplyTo != p.RootID {
			people = append(people, named{typeReply, p.ReplyAuthor})
		}
	}
	for _, person := range p.Mentions {
		people = append(people, named{typeMention, person})
	}
	notified := []social.ID{p.Author.ID}
	for _, n := range people {
		if slices.Contains(notified, n.person) {
			continue
		}
		seen, ok, err := s.seenBy(ctx, tx, p, n.person)
		if err != nil {
			return err
		} else if !ok {
			continue
		}
		notified = append(notified, n.person)
		err = s.notify(ctx, tx, act{kind: n.kind, receiver: n.person, actor: p.Author, object: p.ID,
			cast: castOf(&seen, p.Author), at: p.CreatedAt})
		if err != nil {
			return err
		}
	}
	return nil
}

// onEdited notifies people whom a post names since it was changed, and withdraws what those were told who are not named
// any more. Whoever was told of it for what it answers is not told again.
func (s *Service) onEdited(ctx context.Context, tx storage.Tx, f event.PostEdited) error {
	p := f.Post
	for _, person := range f.Unnamed {
		if err := s.withdraw(ctx, tx, person, typeMention, p.Author.ID, p.ID, f.At); err != nil {
			return err
		}
	}
	for _, person := range f.Named {
		if p.Kind() == event.KindComment && (person == p.RootAuthor || person == p.ReplyAuthor) {
			continue
		}
		seen, ok, err := s.seenBy(ctx, tx, p, person)
		if err != nil {
			return err
		} else if !ok {
			continue
		}
		err = s.notify(ctx, tx, act{kind: typeMention, receiver: person, actor: p.Author, object: p.ID,
			cast: castOf(&seen, p.Author), at: f.At})
		if err != nil {
			return err
		}
	}
	return nil
}

// seenBy gives a post as a person may see it; false = not at all.
func (s *Service) seenBy(ctx context.Context, tx storage.Tx, p event.PostInfo,
	person social.ID) (event.PostInfo, bool, error) {
	if person.IsZero() || p.Visibility == event.Public || person == p.RootAuthor {
		return p, !person.IsZero(), nil
	}
	infos, err := s.Ports.Posts.InfoFor(ctx, tx, person, []social.ID{p.ID})
	if err != nil {
		return p, false, fmt.Errorf("notifications: post: %w", err)
	}
	p, ok := infos[p.ID]
	return p, ok, nil
}

func (s *Service) onLiked(ctx context.Context, tx storage.Tx, f event.PostLiked) error {
	a := act{kind: typeLike, receiver: f.Post.Author.ID, actor: f.Liker, object: f.Post.ID, grouped: true,
		cast: castOf(nil, f.Liker, f.Post.Author), at: f.At}
	if f.Post.Visibility == event.Public { // else the author of a comment may see it no longer, and it is asked for
		a.cast.posts[f.Post.ID] = f.Post
	}
	return s.notify(ctx, tx, a)
}

func (s *Service) onUnliked(ctx context.Context, tx storage.Tx, f event.PostUnliked) error {
	return s.withdraw(ctx, tx, f.Post.Author.ID, typeLike, f.Liker, f.Post.ID, f.At)
}

func (s *Service) onFollowed(ctx context.Context, tx storage.Tx, f event.FollowStarted) error {
	return s.notify(ctx, tx, act{kind: typeFollow, receiver: f.Followed.ID, actor: f.Follower, object: f.Followed.ID,
		grouped: true, cast: castOf(nil, f.Follower, f.Followed), at: f.At})
}

func (s *Service) onUnfollowed(ctx context.Context, tx storage.Tx, f event.FollowEnded) error {
	return s.withdraw(ctx, tx, f.Followed, typeFollow, f.Follower, f.Followed, f.At)
}

// onRemoved announces the removal once to each receiver of a row about the post. Receivers are its author and the
// people it names, so there are few. Rows are deleted in pages; a tombstone hides the rest until then. Announcements
// stand in the outbox under the post's id, so deleting the post redacts them.
func (s *Service) onRemoved(ctx context.Context, tx storage.Tx, f event.PostRemoved) error {
	var last social.ID
	for {
		var receiver social.ID
		err := tx.QueryRow(ctx, `SELECT receiver_id FROM notifications WHERE object_id = $1 AND receiver_id > $2 AND state < 2
			ORDER BY receiver_id LIMIT 1`, f.Post.ID, last[:]).Scan(&receiver)
		if found, err := storage.Found(err); err != nil {
			return fmt.Errorf("receivers: %w", err)
		} else if !found {
			break
		}
		if err := announceRemoved(ctx, tx, receiver, removedData{ObjectID: &f.Post.ID, Reason: "withdrawn"},
			f.At); err != nil {
			return err
		}
		last = receiver
	}
	more, err := s.emptyPost(ctx, tx, f.Post.ID)
	if err != nil || !more {
		return err
	}
	return addTombstone(ctx, tx, f.Post.ID, false, f.At)
}

// onUserDeleted hides all rows of and by that person behind a tombstone; a job empties them.
func (s *Service) onUserDeleted(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
	return addTombstone(ctx, tx, f.UserID, true, f.At)
}
