package posts

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Change is one field of a merge: not Set = as it was; Set with a nil Value = cleared.
type Change[T any] struct {
	Set   bool
	Value *T
}

// UnmarshalJSON is called for a field that is there, null too.
func (c *Change[T]) UnmarshalJSON(b []byte) error {
	c.Set = true
	return json.Unmarshal(b, &c.Value)
}

func (c Change[T]) orZero() (v T) {
	if c.Value != nil {
		v = *c.Value
	}
	return v
}

// Edit is what an author wants otherwise about a post or a comment. Who may see it, and what it answers, stay.
type Edit struct {
	Text      Change[string]
	Sensitive Change[bool]
	Warning   Change[string]
	Language  Change[string]
	Media     Change[[]social.ID] // in the order in which they are shown
}

// check holds what is given against the rules of drafts. Whether something is left of the post is seen by takes.
func (e Edit) check(cfg Config) (checked, error) {
	d := Draft{Text: "a text that stays", Warning: e.Warning.Value, Language: e.Language.Value, Media: e.Media.orZero()}
	if text := e.Text.orZero(); social.Visible(text) {
		d.Text = text
	}
	c, err := d.check(cfg)
	if e.Text.Set && !social.Visible(e.Text.orZero()) {
		c.Text = ""
	}
	return c, err
}

// takes makes the pictures of r those that are wanted, and ends the others.
func (s *Service) takes(ctx context.Context, tx storage.Tx, actor social.Actor, e Edit, r *row) error {
	if ids := e.Media.orZero(); e.Media.Set {
		was := r.media
		var err error
		if r.media, err = s.Ports.Media.Take(ctx, tx, actor.UserID, ids, r.id); err != nil {
			return err
		}
		var gone []social.ID
		for _, m := range was {
			if !slices.Contains(ids, m.ID) {
				gone = append(gone, m.ID)
			}
		}
		if err := s.Ports.Media.Drop(ctx, tx, r.id, gone); err != nil {
			return err
		}
	}
	if !social.Visible(r.text) && len(r.media) == 0 {
		return social.Invalid(social.BodyField("/text", social.FieldRequired, nothingShows))
	}
	return nil
}

// apply makes the change; c is what check gave, with the people named in its text.
func (e Edit) apply(r *row, c checked, mentions []Mention) {
	if e.Text.Set && c.Text != r.text {
		r.text, r.mentions, r.tags = c.Text, mentions, c.tags
	}
	if e.Sensitive.Set {
		r.sensitive = e.Sensitive.orZero()
	}
	if e.Warning.Set {
		r.warning = c.Warning
	}
	if e.Language.Set {
		r.language = c.Language
	}
}

// differs reports whether an edit has changed anything.
func differs(was, r row) bool {
	return r.text != was.text || r.sensitive != was.sensitive || !same(r.warning, was.warning) ||
		!slices.Equal(pictureIDs(r.media), pictureIDs(was.media)) ||
		!same(r.language, was.language)
}

func pictureIDs(list []social.Media) (ids []social.ID) {
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Edit changes a post or comment of the actor and gives it as it is then. Where its beginning was announced the change
// is, too; what was announced before stays as it was (0078). ifMatch is as for Delete. An edit that changes nothing
// leaves everything as it is. Faults: those of Publish, without those of an answer; not_found (also: another person's);
// precondition_failed. The budget of mentions pays for people who were not named before.
func (s *Service) Edit(ctx context.Context, actor social.Actor, id social.ID, e Edit, ifMatch string) (Post, error) {
	c, err := e.check(s.cfg)
	if err != nil {
		return Post{}, err
	}
	mentions, err := s.mentions(ctx, c.names)
	if err != nil {
		return Post{}, social.Wrap(err, "posts: edit %s", id)
	}
	var answer Post
	spent := false
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		r, author, err := s.own(ctx, tx, actor, id, ifMatch)
		if err != nil {
			return err
		}
		was := r
		there, err := s.stillThere(ctx, tx, mentions)
		if err != nil {
			return err
		}
		e.apply(&r, c, there)
		if err := s.takes(ctx, tx, actor, e, &r); err != nil {
			return err
		}
		if differs(was, r) {
			f := event.PostEdited{At: s.clock.Now(), Named: without(r, was), Unnamed: without(was, r)}
			if !spent {
				if err := s.Ports.Limits.Spend(social.BudgetMentions, actor.LimitKey(""), len(f.Named)); err != nil {
					return err
				}
				spent = true
			}
			if err := s.edit(ctx, tx, author, was, &r, f); err != nil {
				return err
			}
		}
		answer = s.post(r, &author, actor.UserID)
		return nil
	})
	return answer, social.Wrap(err, "posts: edit %s", id)
}

// without gives the people named in a and not in b.
func without(a, b row) []social.ID {
	there := named(b.mentions, b.author)
	return slices.DeleteFunc(named(a.mentions, a.author), func(id social.ID) bool { return slices.Contains(there, id) })
}

// edit writes r over was, announces it and tells other modules, inside the transaction.
func (s *Service) edit(ctx context.Context, tx storage.Tx, author social.UserRef, was row, r *row,
	f event.PostEdited) error {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	r.editedAt = &f.At
	if err := editRow(ctx, tx, was, *r, key, f); err != nil {
		return err
	}
	if announced(*r) {
		if err := s.announce(ctx, tx, social.EventPostUpdated, *r, &author, f.At); err != nil {
			return err
		}
	}
	f.Post = s.info(*r, author)
	return s.bus.Emit(ctx, tx, f)
}

// editRow writes what can change of a post, and its places that depend on it.
func editRow(ctx context.Context, tx storage.Tx, was, r row, key int64, f event.PostEdited) error {
	mentions, err := pack(r.mentions)
	if err != nil {
		return err
	}
	tags, err := pack(r.tags)
	if err != nil {
		return err
	}
	media, err := pack(r.media)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE posts SET text = $2, sensitive = $3, warning = $4, language = $5, mentions = $6,
		tags = $7, changed = $8, edited_at = $9, media = $10 WHERE key = $1`,
		r.key, r.text, storage.Bit(r.sensitive), r.warning, r.language, mentions, tags, key, int64(f.At), media)
	if err == nil && (len(was.media) > 0) != (len(r.media) > 0) {
		_, err = tx.Exec(ctx, `UPDATE post_mentions SET with_media = $2 WHERE post_key = $1 AND author_id IS NOT NULL`, r.key,
			storage.Bit(len(r.media) > 0))
	}
	if err != nil {
		return err
	}
	if !slices.Equal(words(was.tags), words(r.tags)) {
		if err := deleteTags(ctx, tx, was); err != nil {
			return err
		}
		if err := insertTags(ctx, tx, r); err != nil {
			return err
		}
	}
	if len(f.Unnamed) > 0 {
		in, args := storage.In([]any{r.key}, f.Unnamed)
		if _, err := tx.Exec(ctx, `DELETE FROM post_mentions WHERE post_key = $1 AND user_id IN `+in, args...); err != nil {
			return err
		}
	}
	return insertMentions(ctx, tx, r, f.Named)
}
