package bench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
	"github.com/belfry-social/belfry/modules/social"
)

// post measures concurrent writes: posts, or likes with their notifications.
type post struct {
	clients     numbers
	lasts       time.Duration
	what        string
	synchronous string
	size        int
	events      int
}

func postScenario() Scenario {
	return Scenario{Name: "post",
		Short: "clients that write posts or likes at the same time: writes a second, latency, CPU of a write, bytes written",
		Help:  postHelp,
		Small: []string{"-clients=1,4", "-for=300ms"},
		Needs: []string{"for", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &post{clients: numbers{1, 8, 64}}
			fs.Var(&f.clients, "clients", "how many write at the same time, one run after the other")
			fs.DurationVar(&f.lasts, "for", 10*time.Second, "how long each run lasts")
			fs.StringVar(&f.what, "what", "post", "post, or like: likes of others' posts, each told to its author")
			fs.StringVar(&f.synchronous, "synchronous", "",
				"full or normal: what our own server waits for before it answers; empty: its default")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			fs.IntVar(&f.events, "events", 0,
				"events that the log of our own server holds before: posts of 1000 others; not with likes")
			return f.run
		}}
}

const postHelp = `handed kb/write is what the server handed to write calls for its files, in KiB: wchar of
/proc/<pid>/io over the run, with what the writes left it to do, less the bytes of the answers as the clients read
them. What is written through a mapping of a file is not in it. It is known on Linux, for a server whose process is
known.`

// pastAuthors is the number of authors of the past that --events makes.
const pastAuthors = 1000

// The people and posts of likes: the authors come first, then those who like, a share of them for each run.
const (
	likeAuthors = 50
	likePosts   = 2000
	likers      = 300
)

func (f *post) run(ctx context.Context, b *Bench) error {
	switch f.synchronous {
	case "":
	case "full", "normal":
		if err := b.Set.Set("storage.sqlite.synchronous=" + f.synchronous); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w post: -synchronous is full or normal", ErrUsage)
	}
	first := 0 // of the people who write
	plan := seed.Plan{Past: seed.Past{Seed: b.Seed}}
	switch f.what {
	case "post":
		plan.People = f.clients.sum()
		if f.events > 0 {
			first = pastAuthors
			plan.People += first
			plan.Posts, plan.Authors, plan.Kept = f.events, first, true
		}
	case "like":
		if f.events > 0 {
			return fmt.Errorf("%w post: -events is for posts", ErrUsage)
		}
		first = likeAuthors
		plan.People = likeAuthors
		for _, n := range f.clients {
			plan.People += max(n, likers)
		}
		plan.Posts, plan.Authors = likePosts, likeAuthors
	default:
		return fmt.Errorf("%w post: -what is post or like", ErrUsage)
	}
	server, people, err := b.Serve(ctx, plan)
	if err != nil {
		return err
	}
	if err := settle(ctx, server); err != nil { // the server copies the events of the past into its log
		return err
	}
	liked := make([]int, len(people.Posts))
	for _, n := range f.clients {
		if f.what == "like" {
			share := max(n, likers)
			err = f.like(ctx, b, server, n, people.List[first:first+share], people.Posts, liked)
			first += share
		} else {
			err = f.post(ctx, b, server, people.List[first:first+n])
			first += n
		}
		if err != nil {
			return err
		}
	}
	if f.what == "like" {
		return verifyLikes(b, server, people, liked)
	}
	return nil
}

// measure has clients write, and adds the row. CPU and bytes include the work that the server does after its answers.
func (f *post) measure(ctx context.Context, b *Bench, server *Server, clients int, ask client.Request) error {
	name := fmt.Sprintf("%ss, %d clients", f.what, clients)
	b.Progress(name, 0, 0)
	m := machine.Measure(server.PID())
	r := client.Load{Address: server.Address, Clients: clients, Lasts: f.lasts}.Run(ctx, ask)
	if err := settle(ctx, server); err != nil {
		return err
	}
	b.Report.Checked.Add(r.Checked)
	u := m.End()
	row := b.Report.Row(name).Rate("writes", r.Latency.N(), r.Took).Latency(&r.Latency).Usage(u, r.Latency.N())
	if u.Written.Calls > 0 {
		row.Figure("handed_kb_per_write", float64(u.Written.Calls-r.Received)/1024/float64(max(r.Latency.N(), 1)))
	}
	return ctx.Err()
}

// post has each person write posts, and verifies then that all of them are stored.
func (f *post) post(ctx context.Context, b *Bench, server *Server, people []client.Person) error {
	answered := make([][]social.ID, len(people))
	err := f.measure(ctx, b, server, len(people), func(c *client.Caller, which, n int) error {
		body := append(client.AppendText([]byte(`{"text":"`), n, client.Everybody, f.size), `"}`...)
		status, reply, err := c.Ask(http.MethodPost, "/v1/posts", people[which].Credential(), body)
		if err != nil {
			return err
		}
		id, ok := firstID(reply)
		if status != http.StatusCreated || !ok {
			return fmt.Errorf("status %d: %.120s", status, reply)
		}
		answered[which] = append(answered[which], id)
		return nil
	})
	if err != nil {
		return err
	}
	c := client.NewCaller(server.Address)
	defer c.Close()
	for i, p := range people {
		b.Progress("verify", i, len(people))
		if err := verifyPosts(c, p, answered[i], &b.Report.Checked); err != nil {
			return err
		}
	}
	return nil
}

// firstID reads the id with which an answer begins.
func firstID(reply []byte) (social.ID, bool) {
	rest, ok := bytes.CutPrefix(reply, []byte(`{"id":"`))
	if !ok || len(rest) < 36 {
		return social.ID{}, false
	}
	id, err := social.ParseID(string(rest[:36]))
	return id, err == nil
}

// verifyPosts checks that a person's list holds the posts that were answered, in order and no others, and that their
// count is right. A request without an answer has been counted as failed.
func verifyPosts(c *client.Caller, p client.Person, answered []social.ID, checked *client.Checked) error {
	at := make(map[string]int, len(answered)) // place, from 1
	for i, id := range answered {
		at[id.String()] = i + 1
	}
	seen, last, total := make(map[string]bool, len(answered)), len(answered)+1, 0
	list := client.Pages{Who: p, Path: "/v1/users/" + p.ID.String() + "/posts", Args: "limit=100"}
	err := list.Walk(c, func(_ int, _ string, _ []byte, ids []string) error {
		for _, id := range ids {
			total++
			switch place := at[id]; {
			case seen[id]:
				checked.Doubled++
				checked.Fault("%s: post %s is there twice", p.Name, id)
			case place == 0:
				checked.Stray++
				checked.Fault("%s: post %s was never answered", p.Name, id)
			case place > last:
				checked.Disordered++
				checked.Fault("%s: post %d stands behind %d", p.Name, place, last)
			default:
				last = place
			}
			seen[id] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	checked.Deliveries += int64(total)
	for i, id := range answered {
		if !seen[id.String()] {
			checked.Lost++
			checked.Fault("%s: post %d, %s, was answered and is not there", p.Name, i, id)
		}
	}
	var user struct {
		Count int `json:"posts_count"`
	}
	if _, err := c.Get("/v1/users/"+p.ID.String(), p, &user); err != nil {
		return err
	}
	if user.Count != total {
		checked.Failed++
		checked.Fault("%s: %d posts, counted as %d", p.Name, total, user.Count)
	}
	return nil
}

// like has clients like posts, each in the name of a share of people, every pair of person and post once.
func (f *post) like(ctx context.Context, b *Bench, server *Server, clients int, people []client.Person,
	posts []seed.Post, liked []int) error {
	share := len(people) / clients
	made := make([][]int, clients)
	for i := range made {
		made[i] = make([]int, len(posts))
	}
	err := f.measure(ctx, b, server, clients, func(c *client.Caller, which, n int) error {
		if n >= share*len(posts) {
			return errors.New("every person has liked every post: choose a shorter -for")
		}
		who, what := people[which*share+n/len(posts)], (n*7+which*31)%len(posts) // 7 has no factor of 2000
		status, reply, err := c.Ask(http.MethodPut, "/v1/posts/"+posts[what].ID.String()+"/like", who.Credential(), nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("status %d: %.120s", status, reply)
		}
		made[which][what]++
		return nil
	})
	for _, list := range made {
		for i, n := range list {
			liked[i] += n
		}
	}
	return err
}

// likeSample is how many authors' notifications are read after a run; the counts of all posts are.
const likeSample = 3

// verifyLikes checks the like count of each post and the notifications of a sample of authors.
func verifyLikes(b *Bench, server *Server, people seed.People, liked []int) error {
	c := client.NewCaller(server.Address)
	defer c.Close()
	told, checked := make([]int, likeAuthors), &b.Report.Checked
	for i, p := range people.Posts {
		var got struct {
			Count int `json:"like_count"`
		}
		if _, err := c.Get("/v1/posts/"+p.ID.String(), people.List[p.Author], &got); err != nil {
			return err
		}
		checked.Deliveries += int64(got.Count)
		checked.Differ(got.Count, liked[i], "likes of post "+strconv.Itoa(i))
		told[p.Author] += liked[i]
	}
	for i, author := range people.List[:likeSample] {
		seen := map[string]bool{}
		list := client.Pages{Who: author, Path: "/v1/notifications", Args: "limit=100&types=like"}
		err := list.Walk(c, func(_ int, _ string, _ []byte, ids []string) error {
			for _, id := range ids {
				seen[id] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		checked.Differ(len(seen), told[i], "notifications of "+author.Name)
	}
	return nil
}
