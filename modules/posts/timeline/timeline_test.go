package timeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/posts/timeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// post is a row of the table, as far as timelines ask for it.
type post struct {
	key        int64
	author     social.ID
	visibility int // 0 everybody, 1 followers, 2 named people
	named      social.ID
	gone       bool
}

// table is the posts of a store beside a plain list of them.
type table struct {
	*moduletest.Fixture
	posts []post
}

func open(t *testing.T) *table { return &table{Fixture: moduletest.Open(t, posts.Migrations)} }

// insert writes a post as package posts does.
func insert(ctx context.Context, tx storage.Tx, p post) (key int64, err error) {
	if key, err = tx.NextKey(ctx); err != nil {
		return 0, err
	}
	id := social.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO posts (key, id, author_id, root_key, root_id, root_author_id, visibility, text,
		sensitive, changed, created_at)
		VALUES ($1, $2, $3, $1, $2, $3, $4, 'text', 0, $1, 0)`, key, id, p.author, p.visibility)
	for _, person := range []social.ID{p.author, p.named} {
		if err == nil && p.visibility == 2 {
			_, err = tx.Exec(ctx, `INSERT INTO post_mentions (post_key, user_id, addressed, author_id) VALUES ($1, $2, 1, $3)
				ON CONFLICT DO NOTHING`, key, person, p.author)
		}
	}
	return key, err
}

func (tb *table) write(t testing.TB, p post) {
	t.Helper()
	tb.InTx(t, func(tx storage.Tx) (err error) {
		p.key, err = insert(t.Context(), tx, p)
		return err
	})
	tb.posts = append(tb.posts, p)
}

// touch moves the mark of a post; gone takes it out of the lists.
func (tb *table) touch(t testing.TB, i int, gone bool) {
	t.Helper()
	p := &tb.posts[i]
	tb.InTx(t, func(tx storage.Tx) error {
		mark, err := tx.NextKey(t.Context())
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE posts SET changed = $2, deleted_at = max(deleted_at, $3) WHERE key = $1`,
				p.key, mark, gone)
		}
		if err == nil && gone {
			_, err = tx.Exec(t.Context(), `UPDATE post_mentions SET addressed = 0, author_id = NULL WHERE post_key = $1`, p.key)
		}
		return err
	})
	p.gone = p.gone || gone
}

// want gives the keys of a window by the plain list.
func want(list []post, sources timeline.Sources, reader social.ID, w social.Window) []int64 {
	after := map[social.ID]int64{sources.Own: 0}
	for _, e := range sources.Edges {
		after[e.User] = 0
		if sources.FromSince {
			after[e.User] = e.SinceKey
		}
	}
	var out []int64
	for _, p := range list {
		since, there := after[p.author]
		seen := p.visibility < 2 && p.key > since || p.visibility == 2 && (p.author == reader || p.named == reader)
		if there && !p.gone && seen && (!w.Bound || p.key != w.Key && (p.key > w.Key) == w.Rising) {
			out = append(out, p.key)
		}
	}
	slices.Sort(out)
	if !w.Rising {
		slices.Reverse(out)
	}
	return out[:min(len(out), w.Limit)]
}

// Random acts, and windows in the newest snapshot, in older ones and in transactions that are undone, by projections
// with much, little and no memory, each of which stands for a process.
func TestWindowsModel(t *testing.T) {
	tb := open(t)
	processes := []*timeline.Keys{timeline.New(0), timeline.New(7), timeline.New(400), timeline.New(1 << 20)}
	rapid.Check(t, func(r *rapid.T) {
		tb.posts = nil
		people := []social.ID{social.NewID(), social.NewID(), social.NewID(), social.NewID()}
		who := rapid.SampledFrom(people)
		look := func(q storage.Querier, keys *timeline.Keys, list []post) {
			sources := timeline.Sources{FromSince: rapid.Bool().Draw(r, "from since")}
			for _, person := range people {
				role := rapid.IntRange(0, 3).Draw(r, "role")
				switch {
				case role == 1 && sources.Own.IsZero():
					sources.Own = person
				case role > 0:
					e := social.FollowEdge{User: person}
					if len(list) > 0 && rapid.Bool().Draw(r, "has a beginning") {
						e.SinceKey = rapid.SampledFrom(list).Draw(r, "since").key
					}
					sources.Edges = append(sources.Edges, e)
				}
			}
			home, err := keys.Of(t.Context(), q, sources)
			if err != nil {
				r.Fatal(err)
			}
			for range 2 {
				w := social.Window{Rising: rapid.Bool().Draw(r, "rising"), Limit: rapid.SampledFrom([]int{1, 5, 300}).Draw(r,
					"limit")}
				if len(list) > 0 && rapid.Bool().Draw(r, "bound") {
					w.Key, w.Bound = rapid.SampledFrom(list).Draw(r, "key").key, true
				}
				reader := who.Draw(r, "reader")
				got, err := home.WindowFor(t.Context(), reader, w)
				if expected := want(list, sources, reader, w); err != nil || !slices.Equal(got, expected) {
					r.Fatalf("window %+v of %v for %s: got %v, %v; want %v", w, sources, reader, got, err, expected)
				}
			}
		}
		process := func() *timeline.Keys { return rapid.SampledFrom(processes).Draw(r, "process") }
		var step func(deep int)
		step = func(deep int) {
			switch op := rapid.SampledFrom([]string{"write", "write", "burst", "touch", "delete", "undone", "old", "look",
				"look"}).Draw(r, "op"); {
			case op == "write":
				tb.write(t, post{author: who.Draw(r, "author"), visibility: rapid.IntRange(0, 2).Draw(r, "visibility"),
					named: who.Draw(r, "named")})
			case op == "burst" && len(tb.posts) < 400: // more than is loaded at first
				author := who.Draw(r, "author")
				p := post{author: author, visibility: rapid.SampledFrom([]int{0, 2}).Draw(r, "for whom"), named: who.Draw(r, "named")}
				for range rapid.SampledFrom([]int{3, 140}).Draw(r, "many") {
					tb.write(t, p)
				}
			case (op == "touch" || op == "delete") && len(tb.posts) > 0:
				newest := len(tb.posts) - 1
				tb.touch(t, rapid.OneOf(rapid.IntRange(0, min(newest, 5)), rapid.IntRange(0, newest)).Draw(r, "which"),
					op == "delete")
			case op == "undone":
				undone := errors.New("undone")
				err := tb.DB.InTx(t.Context(), func(tx storage.Tx) error {
					p := post{author: who.Draw(r, "author")}
					var err error
					p.key, err = insert(t.Context(), tx, p)
					look(tx, process(), append(slices.Clone(tb.posts), p))
					return errors.Join(err, undone)
				})
				if !errors.Is(err, undone) {
					r.Fatal(err)
				}
			case op == "old" && deep < 2:
				tb.Read(t, func(q storage.Querier) error {
					var n int
					if err := q.QueryRow(t.Context(),
						`SELECT COUNT(*) FROM posts`).Scan(&n); err != nil { // the snapshot is taken here
						return err
					}
					list := slices.Clone(tb.posts)
					for range rapid.IntRange(0, 4).Draw(r, "acts in the meantime") {
						step(deep + 1)
					}
					for _, keys := range processes { // first it learns what is newer
						tb.Read(t, func(q storage.Querier) error { look(q, keys, tb.posts); return nil })
						look(q, keys, list)
					}
					return nil
				})
			case op == "look":
				tb.Read(t, func(q storage.Querier) error { look(q, process(), tb.posts); return nil })
			}
		}
		for range rapid.IntRange(1, 20).Draw(r, "steps") {
			step(0)
		}
	})
}

// A timeline that was read before is read again with two questions, however many its sources are: what changed, and
// which posts for named people there are.
func TestKeptTimelineAsksLittle(t *testing.T) {
	tb := open(t)
	sources := timeline.Sources{Own: social.NewID()}
	tb.write(t, post{author: sources.Own})
	for range 50 {
		sources.Edges = append(sources.Edges, social.FollowEdge{User: social.NewID()})
		tb.write(t, post{author: sources.Edges[len(sources.Edges)-1].User})
	}
	keys := timeline.New(1 << 10)
	for round, most := range []int{100, 2, 2} {
		tb.Read(t, func(q storage.Querier) error {
			asked := &counting{Querier: q}
			home, err := keys.Of(t.Context(), asked, sources)
			if err != nil {
				return err
			}
			got, err := home.WindowFor(t.Context(), sources.Own, social.Window{Limit: 20})
			if len(got) != 20 || asked.n > most {
				t.Errorf("round %d: %d keys with %d questions, want 20 with at most %d", round, len(got), asked.n, most)
			}
			return err
		})
		if round == 0 {
			tb.write(t, post{author: sources.Own})
		}
	}
}

// Strangers who address any number of posts to a reader cost the reader nothing that grows: neither one who wrote many,
// nor many who wrote a few each.
func TestStrangersAddressing(t *testing.T) {
	for _, tt := range []struct {
		name             string
		strangers, posts int
	}{{"one wrote many", 1, 2000}, {"many wrote a few", 1000, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			tb := open(t)
			sources := timeline.Sources{Own: social.NewID()}
			for range 30 {
				sources.Edges = append(sources.Edges, social.FollowEdge{User: social.NewID()})
			}
			friend := sources.Edges[7].User
			tb.write(t, post{author: friend, visibility: 2, named: sources.Own})
			tb.InTx(t, func(tx storage.Tx) error {
				for range tt.strangers {
					stranger := social.NewID()
					for range tt.posts {
						if _, err := insert(t.Context(), tx, post{author: stranger, visibility: 2, named: sources.Own}); err != nil {
							return err
						}
					}
				}
				return nil
			})
			keys := timeline.New(1 << 10)
			tb.Read(t, func(q storage.Querier) error {
				asked := tb.Counted(t, q)
				home, err := keys.Of(t.Context(), asked, sources)
				if err != nil {
					return err
				}
				asked.Steps = 0 // loading the tails is no matter of the strangers
				got, err := home.WindowFor(t.Context(), sources.Own, social.Window{Limit: 20})
				if !slices.Equal(got, []int64{tb.posts[0].key}) || asked.Steps > 3000 {
					t.Errorf("got %v with %d steps of the engine, want the friend's post %d with a few", got, asked.Steps,
						tb.posts[0].key)
				}
				return err
			})
		})
	}
}

type counting struct {
	storage.Querier
	n int
}

func (c *counting) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	c.n++
	return c.Querier.Query(ctx, query, args...)
}

func (c *counting) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	c.n++
	return c.Querier.QueryRow(ctx, query, args...)
}
