package posts

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts/timeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Service keeps posts, comments and likes. All methods may be called from many goroutines.
type Service struct {
	Ports Ports // set before start

	cfg      Config
	site     social.Site
	db       storage.DB
	bus      *event.Bus
	clock    social.Clock
	pages    *social.PageCursors
	keys     *timeline.Keys
	contents *storage.Cache[int64, *content] // by order key
}

// New makes the service with absent answers in Ports. It does nothing else.
func New(cfg Config, site social.Site, db storage.DB, bus *event.Bus, clock social.Clock,
	pages *social.PageCursors) *Service {
	return &Service{Ports: Ports{Users: event.Absent{}, People: event.Absent{}, Follows: event.Absent{},
		Log: event.Absent{}, Limits: social.Unlimited{}, Media: event.Absent{}}, cfg: cfg,
		site: site, db: db, bus: bus, clock: clock, pages: pages, keys: timeline.New(cfg.CachedKeys),
		contents: storage.NewCache[int64](cfg.CachedBytes, (*content).size)}
}

// Get gives one post or comment as reader sees it. not_found: absent, deleted, or not for this reader.
func (s *Service) Get(ctx context.Context, reader, id social.ID) (Post, error) {
	var out Post
	err := s.db.Read(ctx, func(q storage.Querier) error {
		r, err := s.find(ctx, q, reader, id)
		if err != nil {
			return err
		}
		list, err := s.render(ctx, q, reader, []row{r})
		if err != nil {
			return err
		}
		if list[0].Deleted {
			return social.NotFound()
		}
		out = list[0]
		return nil
	})
	return out, social.Wrap(err, "posts: get %s", id)
}

// find is the one road to a single post: the row if reader may see it and it stands.
func (s *Service) find(ctx context.Context, q storage.Querier, reader, id social.ID) (row, error) {
	r, err := s.findDeletedToo(ctx, q, reader, id)
	if err == nil && r.deleted {
		return row{}, social.NotFound()
	}
	return r, err
}

// findDeletedToo is find that also gives deleted posts.
func (s *Service) findDeletedToo(ctx context.Context, q storage.Querier, reader, id social.ID) (row, error) {
	r, found, err := rowByID(ctx, q, reader, id)
	if err != nil {
		return row{}, err
	}
	if !found {
		return row{}, social.NotFound()
	}
	if r.needsFollow(reader) {
		follows, err := s.Ports.Follows.IsFollowing(ctx, q, reader, r.rootAuthor)
		if err != nil {
			return row{}, err
		}
		if !follows {
			return row{}, social.NotFound()
		}
	}
	return r, nil
}

// render makes posts of rows, in order, with one question to users.
func (s *Service) render(ctx context.Context, q storage.Querier, reader social.ID, rows []row) ([]Post, error) {
	refs, err := s.authors(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	out := make([]Post, len(rows))
	for i, r := range rows {
		out[i] = s.post(r, refs[r.author], reader)
	}
	return out, nil
}

// authors gives the names of the people who wrote rows.
func (s *Service) authors(ctx context.Context, q storage.Querier, rows []row) (map[social.ID]*social.UserRef, error) {
	out := make(map[social.ID]*social.UserRef, len(rows))
	ids := make([]social.ID, 0, len(rows))
	for _, r := range rows {
		if _, ok := out[r.author]; !ok {
			out[r.author] = nil
			ids = append(ids, r.author)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	refs, err := s.Ports.Users.Refs(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	for id, ref := range refs {
		out[id] = &ref
	}
	return out, nil
}

// Info tells other modules what they need to know of posts. Deleted ones, and those of ended accounts, are absent.
// Visibility is the caller's to judge.
func (s *Service) Info(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]event.PostInfo, error) {
	return s.infoOf(ctx, q, social.ID{}, ids, ``)
}

// InfoFor is Info for a reader: what they may not see now is absent too. ByFollow tells what they see because they
// follow somebody.
func (s *Service) InfoFor(ctx context.Context, q storage.Querier, reader social.ID,
	ids []social.ID) (map[social.ID]event.PostInfo, error) {
	out, err := s.infoOf(ctx, q, reader, ids, ` AND `+visible)
	follows := map[social.ID]bool{}
	for id, p := range out {
		if !p.ByFollow || err != nil {
			continue
		}
		yes, known := follows[p.RootAuthor]
		if !known {
			yes, err = s.Ports.Follows.IsFollowing(ctx, q, reader, p.RootAuthor)
			follows[p.RootAuthor] = yes
		}
		if !yes {
			delete(out, id)
		}
	}
	return out, social.Wrap(err, "posts: info for %s", reader)
}

// infoOf gives the infos of posts that stand and keep a condition.
func (s *Service) infoOf(ctx context.Context, q storage.Querier, reader social.ID, ids []social.ID,
	and string) (map[social.ID]event.PostInfo, error) {
	out := make(map[social.ID]event.PostInfo, len(ids))
	for part := range slices.Chunk(ids, maxIn) {
		in, args := storage.In([]any{reader}, part)
		rows, err := queryRows(ctx, q, true,
			`SELECT `+columns+namedColumn+` FROM posts p WHERE p.id IN `+in+` AND `+standing+and, args...)
		if err != nil {
			return nil, fmt.Errorf("posts: info: %w", err)
		}
		list, err := s.infos(ctx, q, rows)
		if err != nil {
			return nil, fmt.Errorf("posts: info: %w", err)
		}
		for _, i := range list {
			out[i.ID] = i
		}
		for _, r := range rows {
			if i, there := out[r.id]; there && and != `` {
				i.ByFollow = r.needsFollow(reader)
				out[r.id] = i
			}
		}
	}
	return out, nil
}

// infos makes the infos of rows, in order, leaving out those whose authors are not there.
func (s *Service) infos(ctx context.Context, q storage.Querier, rows []row) ([]event.PostInfo, error) {
	refs, err := s.authors(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	out := make([]event.PostInfo, 0, len(rows))
	for _, r := range rows {
		if author := refs[r.author]; author != nil && !r.deleted {
			out = append(out, s.info(r, *author))
		}
	}
	return out, nil
}

// person gives the name of who acts. An account may have ended while its request was on the way.
func (s *Service) person(ctx context.Context, q storage.Querier, actor social.Actor) (social.UserRef, error) {
	if actor.UserID.IsZero() {
		return social.UserRef{}, social.NewFault(social.CodeUnauthenticated, "Sign in first.")
	}
	refs, err := s.Ports.Users.Refs(ctx, q, []social.ID{actor.UserID})
	if err != nil {
		return social.UserRef{}, err
	}
	ref, ok := refs[actor.UserID]
	if !ok {
		return social.UserRef{}, social.NewFault(social.CodeInvalidToken, "This account has ended.")
	}
	return ref, nil
}
