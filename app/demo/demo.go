package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

// The account a newcomer logs in with.
const (
	demoName     = "demo"
	demoPassword = "belfry-demo"
)

// Demo fills an empty site with a small community and keeps it gently alive: every few seconds somebody does
// something that the account "demo" hears of. What happens depends on the seed alone.
type Demo struct {
	Deps
	rand *rand.Rand

	me      social.Actor
	people  []social.Actor
	names   []string
	posted  []social.ID // of everybody, newest last
	mine    []social.ID // of the account "demo"
	step    int
	shots   int // top-level posts, of which some have a picture
	cancel  context.CancelFunc
	stopped chan struct{}
}

// Deps is what a Demo needs; all of it but Media has to be set.
type Deps struct {
	Config  Config
	Users   *users.Service
	Posts   *posts.Service
	Follows *follows.Service
	Media   *media.Service // nil = no pictures
	Log     *zap.Logger
	Address string    // where people reach the site
	Out     io.Writer // for people
	Bar     bool      // Out is a terminal that nobody else writes to: show how far the filling is
}

// New makes a demo; Start sets it going.
func New(deps Deps) *Demo {
	//nolint:gosec // the same seed makes the same community
	return &Demo{Deps: deps, rand: rand.New(rand.NewPCG(deps.Config.Seed, 0x5eed))}
}

// Start fills the site, or finds the community of an earlier run, and goes on in the background.
func (d *Demo) Start(ctx context.Context) error {
	all, err := d.everybody(ctx)
	switch {
	case err != nil:
	case len(all) == 0:
		err = d.fill(ctx)
	default:
		err = d.meet(ctx, all)
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(d.Out, "\n  Address   %s\n  Name      %s\n  Password  %s\n\n"+
		"Log in there: something happens every %s. Ctrl-C ends it.\n", d.Address, demoName, demoPassword, d.Config.Every)
	running, cancel := context.WithCancel(context.Background())
	d.cancel, d.stopped = cancel, make(chan struct{})
	go d.keepAlive(running)
	return nil
}

func (d *Demo) Stop(context.Context) error {
	if d.cancel != nil {
		d.cancel()
		<-d.stopped
	}
	return nil
}

// fill makes the community: people, who follows whom, posts, comments and likes.
func (d *Demo) fill(ctx context.Context) error {
	steps := d.Config.People + 1 + d.Config.Posts
	bar := progress{out: d.Out, total: steps, show: d.Bar}
	me, err := d.Users.Add(ctx, demoName, demoPassword, social.RoleUser, "You")
	if err != nil {
		return err
	}
	d.me = actorOf(me)
	bar.step()
	for i := range d.Config.People {
		name, shown := personName(i)
		p, err := d.Users.Add(ctx, name, social.NewID().String(), social.RoleUser, shown) // nobody logs in as them
		if err != nil {
			return err
		}
		d.people, d.names = append(d.people, actorOf(p)), append(d.names, name)
		if err := d.portray(ctx, actorOf(p), i); err != nil {
			return err
		}
		bar.step()
	}
	if err := d.befriend(ctx); err != nil {
		return err
	}
	for range d.Config.Posts {
		if err := d.somethingSmall(ctx); err != nil {
			return err
		}
		bar.step()
	}
	bar.done()
	return d.sayHello(ctx)
}

// befriend lets everybody follow a few, the account "demo" a third of all, and half of all follow it.
func (d *Demo) befriend(ctx context.Context) error {
	for i, p := range d.people {
		for range 4 {
			if other := d.people[d.rand.IntN(len(d.people))]; other.UserID != p.UserID {
				if _, err := d.Follows.Follow(ctx, p, other.UserID, follows.Wishes{}); err != nil {
					return err
				}
			}
		}
		if i%2 == 0 {
			if _, err := d.Follows.Follow(ctx, p, d.me.UserID, follows.Wishes{}); err != nil {
				return err
			}
		}
		if i%3 == 0 {
			if _, err := d.Follows.Follow(ctx, d.me, p.UserID, follows.Wishes{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sayHello gives the account "demo" a post for others to answer.
func (d *Demo) sayHello(ctx context.Context) error {
	hello := posts.Draft{Text: "Hello everybody, I am new here. What is worth seeing in town?"}
	post, err := d.Posts.Publish(ctx, d.me, hello, nil)
	if err == nil {
		d.mine = append(d.mine, post.ID)
	}
	return err
}

// somethingSmall is a post, a comment or a like by anybody.
func (d *Demo) somethingSmall(ctx context.Context) error {
	who := d.people[d.rand.IntN(len(d.people))]
	if len(d.posted) == 0 || d.rand.IntN(3) == 0 {
		return d.publish(ctx, who, posts.Draft{Text: d.sentence()})
	}
	about := d.posted[d.rand.IntN(len(d.posted))]
	if d.rand.IntN(3) == 0 {
		return d.publish(ctx, who, posts.Draft{Text: d.answer(), ReplyTo: about})
	}
	_, err := d.Posts.Like(ctx, who, about, true)
	return ignoreGone(err)
}

func (d *Demo) publish(ctx context.Context, who social.Actor, draft posts.Draft) (err error) {
	if draft.ReplyTo.IsZero() {
		if draft, err = d.photograph(ctx, who, draft); err != nil {
			return err
		}
	}
	post, err := d.Posts.Publish(ctx, who, draft, nil)
	if err != nil {
		return ignoreGone(err)
	}
	if draft.ReplyTo.IsZero() {
		d.posted = append(d.posted, post.ID)
		if len(d.posted) > 200 {
			d.posted = d.posted[100:]
		}
	}
	return nil
}

func (d *Demo) everybody(ctx context.Context) (map[string]users.Me, error) {
	all := map[string]users.Me{}
	q := social.PageQuery{Limit: 100}
	for {
		page, err := d.Users.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Items {
			all[u.Username] = u
		}
		if page.Next == nil {
			return all, nil
		}
		q.Cursor = *page.Next
	}
}

// meet finds the people of an earlier run, in the same order. Accounts registered since are left alone, and a site
// without that community is refused.
func (d *Demo) meet(ctx context.Context, all map[string]users.Me) error {
	d.me = actorOf(all[demoName])
	for i := range d.Config.People {
		name, shown := personName(i)
		if u, ok := all[name]; ok && u.DisplayName == shown {
			d.people, d.names = append(d.people, actorOf(u)), append(d.names, name)
		}
	}
	if d.me.UserID.IsZero() || len(d.people) < 3 {
		return errors.New("this site has people of its own, or another community; name an empty directory with --data")
	}
	page, err := d.Posts.ByAuthor(ctx, d.me.UserID, d.me.UserID, false, false, social.PageQuery{Limit: 20})
	if err != nil {
		return err
	}
	for _, p := range page.Items {
		d.mine = append(d.mine, p.ID)
	}
	if len(d.mine) == 0 {
		return d.sayHello(ctx)
	}
	return nil
}

func (d *Demo) keepAlive(ctx context.Context) {
	defer close(d.stopped)
	t := time.NewTicker(d.Config.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := d.act(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("demo", zap.Error(err))
		}
	}
}

// act does one thing that the account "demo" hears of, in turn: a post of somebody it follows, a like, an
// answer or a mention; and now and then something small elsewhere.
func (d *Demo) act(ctx context.Context) error {
	d.step++
	who := d.rand.IntN(len(d.people))
	switch d.step % 4 {
	case 1: // people 0, 3, 6, … are followed by the account "demo"
		return d.publish(ctx, d.people[who-who%3], posts.Draft{Text: d.sentence()})
	case 2:
		_, err := d.Posts.Like(ctx, d.people[who], d.oneOfMine(), true)
		return ignoreGone(err)
	case 3:
		return d.publish(ctx, d.people[who], posts.Draft{Text: d.answer(), ReplyTo: d.oneOfMine()})
	default:
		if err := d.somethingSmall(ctx); err != nil {
			return err
		}
		return d.publish(ctx, d.people[who], posts.Draft{Text: "@" + demoName + " " + d.answer()})
	}
}

func (d *Demo) oneOfMine() social.ID { return d.mine[d.rand.IntN(len(d.mine))] }

func actorOf(u users.Me) social.Actor {
	return social.Actor{UserID: u.ID, Role: social.Role(u.Role)}
}

// ignoreGone: somebody may have deleted what this was about.
func ignoreGone(err error) error {
	if social.IsFault(err, social.CodeNotFound) || social.IsFault(err, social.CodeValidationFailed) {
		return nil
	}
	return err
}

// progress draws a bar on a terminal and nothing elsewhere.
type progress struct {
	out         io.Writer
	show        bool
	total, made int
}

func (p *progress) step() {
	p.made++
	if p.show {
		const width = 30
		full := width * p.made / p.total
		fmt.Fprintf(p.out, "\rmaking people and posts [%-*s] %d/%d", width, bars[:full], p.made, p.total)
	}
}

func (p *progress) done() {
	if p.show {
		fmt.Fprintln(p.out)
	}
}

const bars = "##############################"
