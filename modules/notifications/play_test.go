package notifications_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// play is one run of the model beside the module.
type play struct {
	*world
	rt     *rapid.T
	m      *model
	posts  []event.PostInfo // alice's
	serial int
}

func (p *play) item(label string) (*entry, notifications.Notification, bool) {
	state := rapid.SampledFrom([]string{"inbox", "inbox", "archived"}).Draw(p.rt, label+" state")
	entries, list := p.m.list(state, false), p.list("alice", notifications.Filter{State: state})
	if len(list) == 0 || len(entries) != len(list) {
		return nil, notifications.Notification{}, false
	}
	i := rapid.IntRange(0, min(len(list), 100)-1).Draw(p.rt, label)
	return entries[i], list[i], true
}

func (p *play) must(err error) {
	if err != nil {
		p.rt.Fatalf("%v", err)
	}
}

func (p *play) person() string {
	return rapid.SampledFrom([]string{"bob", "carol", "dave", "erin", "frank"}).Draw(p.rt, "person")
}

func (p *play) mine() (event.PostInfo, bool) {
	if len(p.posts) == 0 {
		return event.PostInfo{}, false
	}
	return rapid.SampledFrom(p.posts).Draw(p.rt, "post"), true
}

func (p *play) word(kind string) string {
	p.serial++
	return fmt.Sprintf("%s%d", kind, p.serial)
}

func (p *play) acts() map[string]func(*rapid.T) {
	alice := p.user("alice").ID
	ctx := p.t.Context()
	return map[string]func(*rapid.T){
		"write": func(*rapid.T) { p.posts = append(p.posts, p.post("alice", p.word("post"))) },
		"like": func(*rapid.T) {
			if post, ok := p.mine(); ok {
				who := p.person()
				p.like(who, post)
				p.m.act("like by "+who+" on "+post.Excerpt, who, "like "+post.Excerpt)
			}
		},
		"unlike": func(*rapid.T) {
			if post, ok := p.mine(); ok {
				who := p.person()
				p.unlike(who, post)
				p.m.undo("like by " + who + " on " + post.Excerpt)
			}
		},
		"follow":   func(*rapid.T) { who := p.person(); p.follow(who, "alice"); p.m.act("follow by "+who, who, "follow") },
		"unfollow": func(*rapid.T) { who := p.person(); p.unfollow(who, "alice"); p.m.undo("follow by " + who) },
		"comment": func(*rapid.T) {
			if post, ok := p.mine(); ok {
				who, text := p.person(), p.word("comment")
				p.post(who, text, under(post))
				p.m.act("comment by "+who+" on "+text, who, "")
			}
		},
		"followed posts": func(*rapid.T) {
			who, text := rapid.SampledFrom([]string{"yves", "zoe"}).Draw(p.rt, "author"), p.word("post")
			post := p.post(who, text)
			p.m.add(&entry{what: "post by " + who + " on " + text, actor: who, author: who, post: post.ID})
		},
		"followed names alice": func(*rapid.T) {
			who, text := rapid.SampledFrom([]string{"yves", "zoe"}).Draw(p.rt, "author"), p.word("post")
			post := p.post(who, text, naming(p.user("alice")))
			p.m.add(&entry{what: "post by " + who + " on " + text, actor: who, author: who, post: post.ID})
			p.m.add(&entry{what: "mention by " + who + " on " + text, actor: who, namesPost: post.ID})
		},
		"bell": func(*rapid.T) {
			who := rapid.SampledFrom([]string{"yves", "zoe"}).Draw(p.rt, "author")
			p.m.bells[who] = !p.m.bells[who]
			p.bell("alice", who, p.m.bells[who])
		},
		"push": func(*rapid.T) {
			name := rapid.SampledFrom([]string{"", "build", "deploy"}).Draw(p.rt, "group")
			_, err := p.s.Push(ctx, notifications.Push{Receiver: "@alice", Type: "job", Content: "done", Group: name}, nil)
			p.must(err)
			if name != "" {
				name = "custom " + name
			}
			p.m.add(&entry{what: "custom.job", key: name})
		},
		"remove": func(*rapid.T) {
			post, ok := p.mine()
			if !ok {
				return
			}
			p.remove(post)
			p.posts = slices.DeleteFunc(p.posts, func(o event.PostInfo) bool { return o.ID == post.ID })
			for _, e := range p.m.entries {
				e.postDead = e.postDead || e.key == "like "+post.Excerpt
			}
		},
		"seen up to": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.SeenUpTo(ctx, alice, n.ID)
				p.must(err)
				p.m.upTo(e, "unseen")
			}
		},
		"read up to": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.ReadUpTo(ctx, alice, n.ID)
				p.must(err)
				p.m.upTo(e, "unread")
			}
		},
		"read": func(*rapid.T) {
			e, n, ok := p.item("one")
			e2, n2, _ := p.item("two")
			if ok && e2 != nil {
				_, err := p.s.ReadAll(ctx, alice, []social.ID{n.ID, social.NewID(), n2.ID})
				p.must(err)
				e.read, e.seen, e2.read, e2.seen = true, true, true, true
			}
		},
		"read group": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.ReadGroup(ctx, alice, n.Group.Key)
				p.must(err)
				for _, o := range p.m.members(e) {
					o.read, o.seen = true, true
				}
			}
		},
		"unread": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.SetRead(ctx, alice, n.ID, false)
				p.must(err)
				e.read = false
			}
		},
		"archive": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.SetArchived(ctx, alice, n.ID, true)
				p.must(err)
				if !e.archived {
					e.archived, e.read, e.seen = true, true, true
				}
			}
		},
		"unarchive": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				_, err := p.s.SetArchived(ctx, alice, n.ID, false)
				p.must(err)
				e.archived = false
			}
		},
		"delete": func(*rapid.T) {
			if e, n, ok := p.item("item"); ok {
				p.must(p.s.Delete(ctx, alice, n.ID))
				p.m.leave(e)
				e.deleted = true
			}
		},
		"wait": func(*rapid.T) {
			d := time.Duration(rapid.IntRange(1, 30).Draw(p.rt, "hours")) * time.Hour
			p.Advance(d)
			p.m.now = p.m.now.Add(d)
		},
		"sweep": func(*rapid.T) { p.sweep() },
		"":      p.check,
	}
}

// check compares one list, paged both ways, and the counts.
func (p *play) check(rt *rapid.T) {
	state := rapid.SampledFrom([]string{"inbox", "unseen", "unread", "archived"}).Draw(rt, "state")
	grouped := rapid.Bool().Draw(rt, "grouped")
	var want []string
	for _, e := range p.m.list(state, grouped) {
		members := p.m.members(e)
		text := fmt.Sprintf("%s read=%v seen=%v of %d", e.what, e.read, e.seen, len(members))
		for _, o := range members[:min(3, len(members))] {
			if o.actor != "" {
				text += " " + o.actor
			}
		}
		want = append(want, text)
	}
	got := p.pages(notifications.Filter{State: state, Grouped: grouped}, rapid.IntRange(1, 7).Draw(rt, "limit"))
	if !slices.Equal(got, want) {
		rt.Fatalf("%s, grouped=%v:\n got %q\nwant %q", state, grouped, got, want)
	}
	if got, want := p.counts("alice"), p.m.counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("counts %+v, want %+v", got, want)
	}
}

// pages reads a list forwards, and each page again backwards from the one behind it.
func (p *play) pages(f notifications.Filter, limit int) []string {
	say := func(list []notifications.Notification) (out []string) {
		for i, n := range list {
			text := fmt.Sprintf("%s read=%v seen=%v of %d", told(list)[i], n.IsRead, n.SeenAt != nil, n.Group.Count)
			for _, a := range n.Group.Actors {
				text += " " + a.Username
			}
			out = append(out, text)
		}
		return out
	}
	page := func(cursor string) social.List[notifications.Notification] {
		l, err := p.s.List(p.t.Context(), p.user("alice").ID, f, social.PageQuery{Limit: limit, Cursor: cursor})
		p.must(err)
		return l
	}
	var all, before []string
	for at := page(""); ; {
		now := say(at.Items)
		if at.Prev != nil {
			if back := say(page(*at.Prev).Items); !slices.Equal(back, before) {
				p.rt.Fatalf("page before %q is %q, going forwards it was %q", now, back, before)
			}
		} else if before != nil {
			p.rt.Fatalf("page %q has none before it", now)
		}
		all, before = append(all, now...), now
		if at.Next == nil {
			return all
		}
		if len(now) != limit {
			p.rt.Fatalf("page of %d has %d items and a next", limit, len(now))
		}
		at = page(*at.Next)
	}
}

// TestModel does random acts and marks beside a plain model; lists and counts have to be equal after each.
func TestModel(t *testing.T) {
	w := newWorld(t, func(c *notifications.Config) { c.Batch = 2 })
	rapid.Check(t, func(rt *rapid.T) {
		w.reset()
		for _, who := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
			w.user(who)
		}
		w.follow("alice", "yves")
		w.follow("alice", "zoe")
		p := &play{world: w, rt: rt, m: &model{bells: map[string]bool{"yves": true, "zoe": true}, now: moduletest.Start}}
		rt.Repeat(p.acts())
	})
}

// reset forgets everybody and everything.
func (w *world) reset() {
	clear(w.names)
	clear(w.posts)
	clear(w.edges)
	w.SetTime(moduletest.Start)
	w.InTx(w.t, func(tx storage.Tx) error {
		for _, table := range []string{"notifications", "notification_posts", "notification_watermarks",
			"notification_tombstones", "outbox"} {
			if _, err := tx.Exec(w.t.Context(), "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
}
