package posts

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Publish writes a post or a comment: the row, the counts above it, the announcement and the fact, in one
// transaction. A top-level post for everybody or for followers is announced in by:<author>, whatever their number;
// a comment, and a post for named people only, reach people as notifications. Faults: validation_failed; /reply_to
// not_found (absent, not visible), not_allowed (its top post was deleted); those of Media.Take; rate_limited when it
// names more people than the budget of mentions has left.
func (s *Service) Publish(ctx context.Context, actor social.Actor, d Draft, once *storage.Once) (Post, error) {
	c, err := d.check(s.cfg)
	if err != nil {
		return Post{}, err
	}
	mentions, err := s.mentions(ctx, c.names)
	if err != nil {
		return Post{}, social.Wrap(err, "posts: publish for %s", actor.UserID)
	}
	id := social.NewID()
	var answer Post
	spent := false
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		answer = Post{}
		if done, err := once.Begin(ctx, tx, &answer); err != nil || done { // a repetition spends nothing
			return err
		}
		if !spent {
			if err := s.Ports.Limits.Spend(social.BudgetMentions, actor.LimitKey(""),
				len(named(mentions, actor.UserID))); err != nil {
				return err
			}
			spent = true
		}
		r := row{id: id, author: actor.UserID, rootID: id, rootAuthor: actor.UserID, visibility: c.Visibility,
			text: c.Text, sensitive: c.Sensitive, warning: c.Warning, language: c.Language, mentions: mentions,
			tags: c.tags, createdAt: s.clock.Now()}
		author, err := s.publish(ctx, tx, actor, &r, c)
		if err != nil {
			return err
		}
		answer = s.post(r, &author, actor.UserID)
		return once.Save(ctx, tx, answer)
	})
	return answer, social.Wrap(err, "posts: publish %s", id)
}

// mentions gives the names that are people, in order. It reads before the transaction, because a text may hold
// many names and the writer's time is everybody's.
func (s *Service) mentions(ctx context.Context, names []name) ([]Mention, error) {
	if len(names) == 0 {
		return nil, nil
	}
	asked := make([]string, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, n := range names {
		if !seen[n.name] {
			seen[n.name] = true
			asked = append(asked, n.name)
		}
	}
	var out []Mention
	err := s.db.Read(ctx, func(q storage.Querier) error {
		people, err := s.Ports.Users.RefsByName(ctx, q, asked)
		out = nil
		for _, n := range names {
			if p, ok := people[n.name]; ok {
				out = append(out, Mention{UserID: p.ID, Username: p.Username, Start: n.start, End: n.end})
			}
		}
		return err
	})
	if err == nil && len(out) > s.cfg.MaxMentions {
		err = social.Invalid(social.BodyField("/text", social.FieldTooMany,
			fmt.Sprintf("At most %d mentions.", s.cfg.MaxMentions)))
	}
	return out, err
}

// publish completes r and writes it, inside the transaction.
func (s *Service) publish(ctx context.Context, tx storage.Tx, actor social.Actor, r *row,
	c checked) (social.UserRef, error) {
	author, err := s.person(ctx, tx, actor)
	if err != nil {
		return author, err
	}
	if r.mentions, err = s.stillThere(ctx, tx, r.mentions); err != nil {
		return author, err
	}
	if r.key, err = tx.NextKey(ctx); err != nil {
		return author, err
	}
	r.rootKey = r.key
	var parent row
	if !c.ReplyTo.IsZero() {
		if parent, err = s.parent(ctx, tx, actor.UserID, c.ReplyTo); err != nil {
			return author, err
		}
		r.replyTo, r.replyAuthor = parent.id, parent.author
		r.rootKey, r.rootID, r.rootAuthor, r.visibility = parent.rootKey, parent.rootID, parent.rootAuthor, parent.visibility
	}
	if len(c.Media) > 0 {
		if r.media, err = s.Ports.Media.Take(ctx, tx, actor.UserID, c.Media, r.id); err != nil {
			return author, err
		}
	}
	if err := insertRow(ctx, tx, *r, parent); err != nil {
		return author, err
	}
	if announced(*r) {
		if err := s.announce(ctx, tx, social.EventPostCreated, *r, &author, r.createdAt); err != nil {
			return author, err
		}
	}
	return author, s.bus.Emit(ctx, tx, event.PostPublished{Post: s.info(*r, author)})
}

// announce tells those who follow the author of a post as it is now.
func (s *Service) announce(ctx context.Context, tx storage.Tx, kind string, r row, author *social.UserRef,
	at social.Time) error {
	content := s.content(r, author)
	data, err := content.AppendJSON(make([]byte, 0, announcedRoom+len(r.text)+mediaRoom*len(r.media)))
	if err != nil {
		return err
	}
	if len(data) > storage.MaxPayload { // texts beyond any use: most characters of each take six bytes
		return social.Invalid(social.BodyField("/media_ids", social.FieldTooLong,
			"The text and what is said about the pictures are too long together."))
	}
	return outbox.Announce(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: author.ID},
		Type: kind, Actor: author.ID, Object: r.id, About: about(r), Time: at, Data: data})
}

// stillThere leaves out people who went between the look-up and the transaction.
func (s *Service) stillThere(ctx context.Context, tx storage.Tx, list []Mention) ([]Mention, error) {
	if len(list) == 0 {
		return nil, nil
	}
	people, err := s.Ports.Users.Refs(ctx, tx, named(list, social.ID{}))
	if err != nil {
		return nil, err
	}
	var out []Mention
	for _, m := range list {
		if _, ok := people[m.UserID]; ok {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s *Service) parent(ctx context.Context, tx storage.Tx, reader, id social.ID) (row, error) {
	r, err := s.find(ctx, tx, reader, id)
	if social.IsFault(err, social.CodeNotFound) {
		return row{}, social.Invalid(social.BodyField("/reply_to", social.FieldNotFound, "There is no such post."))
	}
	if err != nil || r.key == r.rootKey {
		return r, err
	}
	stands, err := rootStands(ctx, tx, r.rootKey)
	if err == nil && !stands {
		err = social.Invalid(social.BodyField("/reply_to", social.FieldNotAllowed, "The post above was deleted."))
	}
	return r, err
}

// announcedRoom is about what an announcement takes beside its text.
const announcedRoom = 896

// mediaRoom is about what a picture takes in an announcement beside its alt text.
const mediaRoom = 512

// announced reports whether a post is announced to the author's followers.
func announced(r row) bool { return r.replyTo.IsZero() && r.visibility != event.Mentioned }

// about are the people an announcement of r names; outbox keeps the first social.MaxAbout.
func about(r row) []social.ID { return append([]social.ID{r.author}, named(r.mentions, r.author)...) }
