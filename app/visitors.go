package app

import (
	"context"

	"github.com/belfry-social/belfry/app/web"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

// visitors tells the pages what everybody may see: what the services answer to nobody.
type visitors struct {
	site   social.Site
	posts  *posts.Service
	people *people.Service // nil = nobody is shown
}

var _ web.Public = visitors{}

// visitors gives what the pages show; without posts they show nothing.
func (p *program) visitors() web.Public {
	if p.Posts == nil {
		return nil
	}
	return visitors{site: p.Site, posts: p.Posts, people: p.People}
}

// visitorPage is how much a page shows.
var visitorPage = social.PageQuery{Limit: 20}

// maxEmpty is how many pages without a post are turned, in search of one that has some.
const maxEmpty = 5

// shown gives the first page of a list that has posts: what is passed over may fill pages.
func shown(get func(social.PageQuery) (social.List[posts.Post], error)) (list social.List[posts.Post], err error) {
	q := visitorPage
	for range maxEmpty {
		if list, err = get(q); err != nil || len(list.Items) > 0 || list.Next == nil {
			break
		}
		q.Cursor = *list.Next
	}
	return list, err
}

func (v visitors) Post(ctx context.Context, id social.ID) (post web.Post, comments []web.Post, err error) {
	p, err := v.posts.Get(ctx, social.ID{}, id)
	if err != nil {
		return post, nil, err
	}
	below, err := v.posts.Comments(ctx, social.ID{}, id, false, visitorPage)
	return v.post(p), v.list(below), err
}

func (v visitors) Person(ctx context.Context, name string) (social.User, []web.Post, error) {
	if v.people == nil {
		return social.User{}, nil, social.NotFound()
	}
	user, err := v.people.UserByName(ctx, social.ID{}, name)
	if err != nil {
		return user, nil, err
	}
	list, err := shown(func(q social.PageQuery) (social.List[posts.Post], error) {
		return v.posts.ByAuthor(ctx, social.ID{}, user.ID, false, false, q)
	})
	return user, v.list(list), err
}

func (v visitors) Tagged(ctx context.Context, tag string) (string, []web.Post, error) {
	kept, ok := posts.FoldTag(tag)
	if !ok {
		return "", nil, social.NotFound()
	}
	list, err := shown(func(q social.PageQuery) (social.List[posts.Post], error) {
		return v.posts.Tagged(ctx, social.ID{}, kept, q)
	})
	return kept, v.list(list), err
}

func (v visitors) Local(ctx context.Context) ([]web.Post, error) {
	list, err := shown(func(q social.PageQuery) (social.List[posts.Post], error) {
		list, _, err := v.posts.Local(ctx, social.ID{}, q)
		return list, err
	})
	return v.list(list), err
}

func (v visitors) People(ctx context.Context) ([]social.User, error) {
	if v.people == nil {
		return nil, nil
	}
	list, err := v.people.Directory(ctx, social.ID{}, visitorPage)
	return list.Items, err
}

// list leaves out the places of deleted comments.
func (v visitors) list(list social.List[posts.Post]) (out []web.Post) {
	for _, p := range list.Items {
		if !p.Deleted {
			out = append(out, v.post(p))
		}
	}
	return out
}

func (v visitors) post(p posts.Post) web.Post {
	out := web.Post{Author: *p.Author, AuthorURL: v.site.UserURL(p.Author.Username), URL: p.URL, Text: p.Text,
		Sensitive: p.Sensitive, Pictures: p.Media, CreatedAt: p.CreatedAt}
	if p.Warning != nil {
		out.Warning = *p.Warning
	}
	return out
}
