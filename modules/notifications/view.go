package notifications

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Notification is one item as clients see it, the same in answers and in events.
type Notification struct {
	ID         social.ID       `json:"id"`
	ReceiverID social.ID       `json:"receiver_id"`
	Type       string          `json:"type" doc:"like, comment, reply, mention, follow, post, system or custom.<word>; more may come."`
	Actor      *social.UserRef `json:"actor" doc:"Who did it; null for what a program pushed."`
	Object     *Object         `json:"object" doc:"What it was done to; null for what a program pushed, and when the receiver may not see it any more."`
	Group      Group           `json:"group"`
	Text       string          `json:"text" doc:"One sentence for the receiver."`
	Content    *string         `json:"content" doc:"What a host application pushed."`
	URL        string          `json:"url" doc:"Where to go; always absolute."`
	Data       json.RawMessage `json:"data" doc:"What a host application pushed."`
	IsRead     bool            `json:"is_read"`
	SeenAt     *social.Time    `json:"seen_at" doc:"When it was marked; for what a mark covered, when that was set last."`
	ReadAt     *social.Time    `json:"read_at" doc:"Like seen_at."`
	ArchivedAt *social.Time    `json:"archived_at"`
	CreatedAt  social.Time     `json:"created_at"`
	UpdatedAt  social.Time     `json:"updated_at"`
}

// Object is what a notification is about.
type Object struct {
	Kind       string    `json:"kind" enum:"post,comment,user"`
	ID         social.ID `json:"id"`
	URL        string    `json:"url"`
	Excerpt    string    `json:"excerpt" doc:"At most 280 characters; empty in events about what the receiver sees only because of a follow."`
	PreviewURL *string   `json:"preview_url"`
}

// Group is the group an item belongs to; an item that is not grouped is a group of one.
type Group struct {
	Key    social.ID        `json:"key" doc:"Id of the item that began it."`
	Count  int64            `json:"count"`
	Actors []social.UserRef `json:"actors" doc:"The newest three."`
}

// cast holds the people and posts that the items of an answer name, as far as they are known.
type cast struct {
	people map[social.ID]social.UserRef
	posts  map[social.ID]event.PostInfo
}

// castOf is a cast that knows these; post may be nil.
func castOf(post *event.PostInfo, people ...social.UserRef) *cast {
	c := &cast{people: make(map[social.ID]social.UserRef, len(people)+maxActors), posts: map[social.ID]event.PostInfo{}}
	for _, p := range people {
		c.people[p.ID] = p
	}
	if post != nil {
		c.posts[post.ID] = *post
	}
	return c
}

// render makes items of rows, in their order. grouped says that an item speaks for its whole group.
func (s *Service) render(ctx context.Context, q storage.Querier, w watermarks, c *cast, rows []row,
	grouped bool) ([]Notification, error) {
	groups, err := groupsOf(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, q, c, rows, groups); err != nil {
		return nil, err
	}
	out := make([]Notification, len(rows))
	for i := range rows {
		out[i] = s.item(w, c, &rows[i], groups[rows[i].group], grouped)
	}
	return out, nil
}

// groupsOf gives, for each group of which a row stands here, its newest member: there the group's figures are.
func groupsOf(ctx context.Context, q storage.Querier, rows []row) (map[social.ID]*row, error) {
	out := make(map[social.ID]*row, len(rows))
	for i := range rows {
		if rows[i].head {
			out[rows[i].group] = &rows[i]
		}
	}
	for i := range rows {
		if out[rows[i].group] != nil {
			continue
		}
		head, err := headOf(ctx, q, rows[i].group)
		if err != nil {
			return nil, err
		}
		if head == nil { // not in one snapshot
			head = &rows[i]
		}
		out[rows[i].group] = head
	}
	return out, nil
}

// fill asks for the people and posts that are not in the cast yet.
func (s *Service) fill(ctx context.Context, q storage.Querier, c *cast, rows []row, groups map[social.ID]*row) error {
	var people, posts []social.ID
	person := func(id social.ID) {
		if _, known := c.people[id]; !known && !id.IsZero() && !slices.Contains(people, id) {
			people = append(people, id)
		}
	}
	for i := range rows {
		r := &rows[i]
		person(r.actor)
		for _, id := range groups[r.group].people() {
			person(id)
		}
		if r.kind == typeFollow {
			person(r.object)
		} else if _, known := c.posts[r.object]; !known && !r.object.IsZero() && r.post == nil {
			posts = append(posts, r.object)
		}
	}
	if len(people) > 0 {
		found, err := s.Ports.Users.Refs(ctx, q, people)
		if err != nil {
			return fmt.Errorf("notifications: people: %w", err)
		}
		maps.Copy(c.people, found)
	}
	if len(posts) > 0 { // all rows are one receiver's
		found, err := s.Ports.Posts.InfoFor(ctx, q, rows[0].receiver, posts)
		if err != nil {
			return fmt.Errorf("notifications: posts: %w", err)
		}
		maps.Copy(c.posts, found)
	}
	return nil
}

func (s *Service) item(w watermarks, c *cast, r, head *row, grouped bool) Notification {
	n := Notification{ID: r.id, ReceiverID: r.receiver, Type: r.typeName(), Content: r.content, SeenAt: w.seen(r),
		ReadAt: w.read(r), ArchivedAt: r.archived, CreatedAt: r.created, UpdatedAt: r.updated,
		Group: Group{Key: r.group, Count: head.members, Actors: []social.UserRef{}}}
	n.IsRead = n.ReadAt != nil
	if ref, ok := c.people[r.actor]; ok {
		n.Actor = &ref
	}
	for _, id := range head.people() {
		if ref, ok := c.people[id]; ok {
			n.Group.Actors = append(n.Group.Actors, ref)
		} else if n.Group.Count > 1 {
			n.Group.Count-- // whose account has ended, and who leaves the group soon
		}
	}
	if n.Actor == nil && grouped && len(n.Group.Actors) > 0 {
		n.Actor = &n.Group.Actors[0]
	}
	if r.data != nil {
		n.Data = json.RawMessage(*r.data)
	}
	n.Object = s.object(c, r)
	others := int64(0)
	if grouped {
		others = n.Group.Count - 1
	}
	n.Text = sentence(r, n.Actor, n.Object, others)
	n.URL = s.link(r, n.Actor, n.Object)
	return n
}

// object is nil for what a program pushed, and for a post that the receiver may not see.
func (s *Service) object(c *cast, r *row) *Object {
	if r.kind == typeFollow {
		ref, ok := c.people[r.object]
		if !ok {
			return nil
		}
		return &Object{Kind: event.KindUser, ID: ref.ID, URL: s.site.UserURL(ref.Username), Excerpt: ref.DisplayName}
	}
	p, ok := c.posts[r.object]
	if r.post != nil {
		p, ok = *r.post, true
	}
	if !ok {
		return nil
	}
	return &Object{Kind: p.Kind(), ID: p.ID, URL: s.site.PostURL(p.ID), Excerpt: p.Excerpt,
		PreviewURL: p.PreviewURL}
}

// link is where an item leads: what was pushed, the profile of a follower, else the object.
func (s *Service) link(r *row, actor *social.UserRef, object *Object) string {
	switch {
	case r.url != nil && strings.HasPrefix(*r.url, "/"):
		return s.site.PublicURL + *r.url
	case r.url != nil:
		return *r.url
	case r.kind == typeFollow && actor != nil:
		return s.site.UserURL(actor.Username)
	case object != nil:
		return object.URL
	}
	return s.site.PublicURL + "/"
}
