package media

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// MaxAlts bounds what is said about all pictures of a post, in bytes of JSON: with the longest text it has to be one
// event.
const MaxAlts = 16 << 10

// altBytes is what the text for those who do not see a picture takes in an event.
func altBytes(alt string) int { return len(social.AppendJSONText(nil, alt)) }

// Take makes pictures of owner part of a post, in the order given, and gives them as a post keeps them; those that it
// has already stay. The fault validation_failed, at /media_ids/<n>: not_found (also: somebody else's, or used
// elsewhere), not_ready; at /media_ids: too_long, more than MaxAlts.
func (s *Service) Take(ctx context.Context, tx storage.Tx, owner social.ID, ids []social.ID,
	post social.ID) ([]social.Media, error) {
	out := make([]social.Media, len(ids))
	var bad []social.Field
	alts := 0
	for i, id := range ids {
		p, fault, err := usable(ctx, tx, owner, id, post, fmt.Sprintf("/media_ids/%d", i))
		if err != nil {
			return nil, err
		}
		if fault != nil {
			bad = append(bad, *fault)
			continue
		}
		if err := use(ctx, tx, id, usedPost, post); err != nil {
			return nil, err
		}
		out[i] = p.media()
		alts += altBytes(p.alt)
	}
	if alts > MaxAlts {
		bad = append(bad, social.BodyField("/media_ids", social.FieldTooLong, altsTooLong))
	}
	if len(bad) > 0 {
		return nil, social.Invalid(bad...)
	}
	return out, nil
}

const altsTooLong = "What is said about the pictures of this post is too long, taken together."

// Drop ends pictures of a post that it has no more.
func (s *Service) Drop(ctx context.Context, tx storage.Tx, post social.ID, ids []social.ID) error {
	for _, id := range ids {
		_, err := tx.Exec(ctx, `UPDATE media SET gone_at = $3 WHERE id = $1 AND post_id = $2 AND gone_at = 0`, id, post,
			int64(s.clock.Now()))
		if err != nil {
			return social.Wrap(err, "media: drop %s", id)
		}
	}
	return nil
}

// room refuses another text about a picture of a post, if it is longer than before and they are too long together.
func room(ctx context.Context, tx storage.Tx, p row, alt string) error {
	all := altBytes(alt)
	if p.post.IsZero() || all <= altBytes(p.alt) {
		return nil
	}
	others, err := storage.All(ctx, tx, storage.One[string], `SELECT alt FROM media WHERE post_id = $1 AND id <> $2 AND
		gone_at = 0`, p.post, p.id)
	if err != nil {
		return err
	}
	for _, other := range others {
		all += altBytes(other)
	}
	if all > MaxAlts {
		return social.Invalid(social.BodyField("/alt", social.FieldTooLong, altsTooLong))
	}
	return nil
}

// usable gives a picture of owner that is ready and used nowhere, or by that post; the zero id is none.
func usable(ctx context.Context, tx storage.Tx, owner, id, post social.ID, pointer string) (row, *social.Field, error) {
	p, err := ownRow(ctx, tx, owner, id)
	there, err := storage.Found(err)
	if err != nil {
		return p, nil, err
	}
	var bad social.Field
	switch {
	case !there || p.used != usedNot && (p.used != usedPost || p.post != post):
		bad = social.BodyField(pointer, social.FieldNotFound, "There is no such picture of yours that is not used yet.")
	case p.state != ready:
		bad = social.BodyField(pointer, social.FieldNotReady, "This picture is not ready.")
	default:
		return p, nil, nil
	}
	return p, &bad, nil
}

// Wear makes a picture the avatar of its owner, and gives the file that is shown, as Site.MediaURL takes it; "" for the
// zero id, which means none. The one before stays as long as events name it. The fault validation_failed, at
// /avatar_media_id: not_found, not_ready.
func (s *Service) Wear(ctx context.Context, tx storage.Tx, owner, id social.ID) (string, error) {
	p, err := ownRow(ctx, tx, owner, id)
	there, err := storage.Found(err)
	if err != nil {
		return "", err
	}
	file := ""
	if !there || p.used != usedNow { // else it is the avatar already
		if err := takeOff(ctx, tx, owner); err != nil {
			return "", err
		}
	}
	if !id.IsZero() && (!there || p.used != usedNow) {
		var bad *social.Field
		if p, bad, err = usable(ctx, tx, owner, id, social.ID{}, "/avatar_media_id"); err != nil {
			return "", err
		}
		if bad != nil {
			return "", social.Invalid(*bad)
		}
		if err := use(ctx, tx, id, usedNow, social.ID{}); err != nil {
			return "", err
		}
	}
	if !id.IsZero() {
		file = p.token + "/" + smallName + p.ext
	}
	return file, nil
}

// takeOff ends the use of an avatar: events up to now may name it.
func takeOff(ctx context.Context, tx storage.Tx, owner social.ID) error {
	last, err := outbox.Last(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE media SET used_as = 3, until = $2 WHERE owner_id = $1 AND used_as = 2`, owner,
		int64(last)) //nolint:gosec // the store gave it as an int64
	return err
}
