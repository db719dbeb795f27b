package web

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/belfry-social/belfry/modules/social"
)

// Public is what everybody may see of this site, for pages that are read without script: by people who follow a link,
// and by programs that show what a link leads to. It is asked in the name of nobody. What is absent and what is not for
// everybody give the same fault, not_found. A list is one page, newest first.
type Public interface {
	// Post gives a post and the first comments below it.
	Post(ctx context.Context, id social.ID) (Post, []Post, error)
	Person(ctx context.Context, name string) (social.User, []Post, error)
	// Tagged gives the posts with a tag, and the tag as it is kept.
	Tagged(ctx context.Context, tag string) (string, []Post, error)
	Local(ctx context.Context) ([]Post, error)
	People(ctx context.Context) ([]social.User, error)
}

// Post is a post or a comment as a page shows it.
type Post struct {
	Author    social.UserRef
	AuthorURL string
	URL       string
	Text      string
	Warning   string // shown in front of the text; "" = none
	Sensitive bool   // its pictures are not shown
	Pictures  []social.Media
	CreatedAt social.Time
}

// Lines are the lines of the text.
func (p Post) Lines() []string { return strings.Split(p.Text, "\n") }

// Moment is when it was written, for people.
func (p Post) Moment() string {
	day, clock, _ := strings.Cut(p.CreatedAt.String(), "T")
	return day + " " + clock[:len("10:11")] + " UTC"
}

// begin shortens the texts of a list, which is many posts; each has a page of its own.
func begin(list []Post) []Post {
	for i, p := range list {
		if utf8.RuneCountInString(p.Text) > beginLen {
			list[i].Text = string([]rune(p.Text)[:beginLen-1]) + "…"
		}
	}
	return list
}

// said is what a post says to whoever has not decided to read it.
func (p Post) said() string {
	switch {
	case p.Warning != "":
		return p.Warning
	case p.Text != "" || len(p.Pictures) == 0:
		return p.Text
	case !p.Sensitive && p.Pictures[0].Alt != "":
		return p.Pictures[0].Alt
	case len(p.Pictures) == 1:
		return "A picture"
	}
	return strconv.Itoa(len(p.Pictures)) + " pictures"
}

// cover is the picture that stands for the post; nil = there is none, or it is not for everybody's eyes.
func (p Post) cover() *social.Media {
	if len(p.Pictures) == 0 || p.Sensitive || p.Warning != "" || p.Pictures[0].PreviewURL == nil {
		return nil
	}
	return &p.Pictures[0]
}

// view is a page for a visitor. The zero view says nothing beside the site's name.
type view struct {
	Site        string
	Title       string
	Description string
	Kind        string // of Open Graph; "" = this page tells nothing to programs that show links
	URL         string
	Picture     string
	PictureAlt  string
	Large       bool // the picture is worth the width of a card

	Heading string
	Person  *social.User
	Post    *Post
	Posts   []Post
	People  []social.User
}

const (
	titleLen       = 70  // code points of a text in a title
	descriptionLen = 200 // in a description
	beginLen       = 500 // and in a list
)

// short is a text in one line of at most so many code points, which leaves what stands around it in order.
func short(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if social.Reorders(r) {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	cut := string([]rune(text)[:most-1])
	if at := strings.LastIndexByte(cut, ' '); at > len(cut)/2 {
		cut = cut[:at]
	}
	return cut + "…"
}

func (p *pages) post(ctx context.Context, id string) (v view, err error) {
	parsed, err := social.ParseID(id)
	if err != nil {
		return v, social.NotFound()
	}
	post, comments, err := p.public.Post(ctx, parsed)
	if err != nil {
		return v, err
	}
	v = view{Kind: "article", URL: post.URL, Title: post.Author.DisplayName + ": " + short(post.said(), titleLen),
		Description: short(post.said(), descriptionLen), Post: &post, Posts: begin(comments)}
	if cover := post.cover(); cover != nil {
		v.Picture, v.PictureAlt, v.Large = *cover.PreviewURL, short(cover.Alt, descriptionLen), true
	} else if post.Author.AvatarURL != nil {
		v.Picture = *post.Author.AvatarURL
	}
	return v, nil
}

func (p *pages) person(ctx context.Context, name string) (v view, err error) {
	user, posts, err := p.public.Person(ctx, name)
	if err != nil {
		return v, err
	}
	v = view{Kind: "profile", URL: user.URL, Title: user.DisplayName + " (@" + user.Username + ")",
		Description: short(user.Bio, descriptionLen), Person: &user, Posts: begin(posts)}
	if v.Description == "" {
		v.Description = "Posts by " + user.DisplayName + "."
	}
	if user.AvatarURL != nil {
		v.Picture = *user.AvatarURL
	}
	return v, nil
}

func (p *pages) tag(ctx context.Context, tag string) (v view, err error) {
	tag, posts, err := p.public.Tagged(ctx, tag)
	if err != nil {
		return v, err
	}
	if len(posts) == 0 {
		return v, social.NotFound() // nothing is there under this word, and any word could be asked for
	}
	return view{Kind: "website", URL: p.site.TagURL(tag), Title: "#" + tag, Description: "Posts with #" + tag + ".",
		Heading: "#" + tag, Posts: begin(posts)}, nil
}

func (p *pages) local(ctx context.Context, _ string) (view, error) {
	posts, err := p.public.Local(ctx)
	return view{Kind: "website", URL: p.site.PublicURL + "/", Heading: p.site.Name, Posts: begin(posts)}, err
}

func (p *pages) people(ctx context.Context, _ string) (view, error) {
	people, err := p.public.People(ctx)
	return view{Kind: "website", URL: p.site.PublicURL + "/people", Title: "People", Heading: "People",
		Description: "Who writes here.", People: people}, err
}

// plain is a page that says nothing to who is not signed in.
func (*pages) plain(context.Context, string) (view, error) { return view{}, nil }
