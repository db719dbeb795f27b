package seed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/bench/seed"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins/sse"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/sqlite"
)

const publicURL = "http://127.0.0.1:1"

// deadline bounds a start or stop. It is generous: it finds what never comes.
const deadline = 20 * time.Second

// What Seed writes is, row by row, what the services make of the same acts.
func TestSeedIsWhatTheServicesMake(t *testing.T) {
	for name, plan := range map[string]seed.Plan{
		"threads, pushes and posts that are kept": {People: 7, Follows: seed.CrowdFollows(7, 7, 2), Service: true,
			Past: seed.Past{Seed: 3, Threads: []int{14, 0, 3}, Pushes: []int{2, 0, 1}, Posts: 9,
				Authors: 4, Kept: true, PublicURL: publicURL}},
		"follows before notifications": {People: 6, Follows: seed.FansOf(5, 0, 4),
			Past: seed.Past{Threads: []int{2}, Posts: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeded, played := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
			people, err := seed.Fill(t.Context(), seeded, plan)
			if err != nil {
				t.Fatal(err)
			}
			floor := lookAt(t, seeded).floor
			play(t, played, plan)
			trimOutbox(t, played, floor)
			runProgram(t, seeded, true, func(*services) {})
			runProgram(t, played, true, func(*services) {})

			got, want := lookAt(t, seeded), lookAt(t, played)
			if len(people.List) != plan.People || len(people.Posts) != plan.Posts || len(people.Threads) != len(plan.Threads) {
				t.Errorf("told of %d people, %d posts, %d threads", len(people.List), len(people.Posts), len(people.Threads))
			}
			if plan.Kept && got.events != plan.Posts {
				t.Errorf("the log holds %d events after the start, want %d", got.events, plan.Posts)
			}
			if got.events != want.events || got.head != want.head {
				t.Errorf("log: %d events up to %d, want %d up to %d", got.events, got.head, want.events, want.head)
			}
			compareTables(t, got.tables, want.tables)
		})
	}
}

func compareTables(t *testing.T, got, want map[string][]string) {
	t.Helper()
	rows := 0
	for _, table := range slices.Sorted(maps.Keys(want)) {
		rows += len(want[table])
		for i := range max(len(got[table]), len(want[table])) {
			g, w := "nothing", "nothing"
			if i < len(got[table]) {
				g = got[table][i]
			}
			if i < len(want[table]) {
				w = want[table][i]
			}
			if g != w {
				t.Errorf("%s, row %d:\n got %s\nwant %s", table, i, g, w)
				break
			}
		}
	}
	if len(got) != len(want) || rows < 30 {
		t.Errorf("%d tables and %d with %d rows were compared", len(got), len(want), rows)
	}
}

// The same plan makes the same site, tokens and all; another seed makes another.
func TestSeedRepeats(t *testing.T) {
	plan := seed.Plan{People: 30, Follows: seed.CrowdFollows(1, 30, 4),
		Past: seed.Past{Threads: []int{3}, Posts: 20, At: 1_700_000_000_000}}
	look := func(plan seed.Plan) string {
		dir := filepath.Join(t.TempDir(), "data")
		people, err := seed.Fill(t.Context(), dir, plan)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(people) + fmt.Sprint(dump(t, dir, func(s string) string { return s })["posts"])
	}
	first, second := look(plan), look(plan)
	if first != second {
		t.Error("the same plan made two different sites")
	}
	plan.Seed++
	if look(plan) == first {
		t.Error("another seed made the same site")
	}
}

// What cannot be is refused before anything is written, and a directory with a site in it is left alone.
func TestSeedRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for name, plan := range map[string]seed.Plan{
		"nobody":          {},
		"authors":         {People: 2, Past: seed.Past{Posts: 1, Authors: 3}},
		"threads of more": {People: 1, Past: seed.Past{Threads: []int{0, 0}}},
	} {
		if _, err := seed.Fill(t.Context(), dir, plan); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	if _, err := seed.Fill(t.Context(), dir, seed.Plan{People: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Fill(t.Context(), dir, seed.Plan{People: 2}); err == nil {
		t.Error("a site was filled twice")
	}
}

// Large tables lose their indexes while they are filled; afterwards the schema is as it was.
func TestSeedKeepsTheSchema(t *testing.T) {
	small, large := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
	for dir, plan := range map[string]seed.Plan{
		small: {People: 2},
		large: {People: 150, Follows: seed.CrowdFollows(1, 150, 80), Past: seed.Past{Posts: 10_500, Pushes: []int{10_500}}},
	} {
		if _, err := seed.Fill(t.Context(), dir, plan); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := schemaOf(t, large), schemaOf(t, small); !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("got %d definitions, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

// Everybody follows as many as asked, each once, and popular people are followed more.
func TestFollows(t *testing.T) {
	for _, each := range []int{0, 3, 19} { // 19 of 19 others: nobody is left to be drawn
		fans, seen := make([]int, 20), map[seed.Follow]bool{}
		for f := range seed.CrowdFollows(5, 20, each) {
			if seen[f] || f.Follower == f.Followed {
				t.Fatalf("%+v is there twice, or nobody's", f)
			}
			seen[f] = true
			fans[f.Followed]++
		}
		slices.Sort(fans)
		if len(seen) != 20*each || each == 3 && fans[19] < 2*fans[4] {
			t.Errorf("%d follows of %d each, fans %v", len(seen), each, fans)
		}
	}
}

// services are what acts are played through.
type services struct {
	fx.In
	DB      storage.DB
	Users   *users.Service
	Posts   *posts.Service
	Follows *follows.Service
	Tell    *notifications.Service `optional:"true"`
}

// runProgram starts the program on a directory, lends its services, and stops it.
func runProgram(t *testing.T, dir string, told bool, use func(*services)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	parts := app.Standard()
	if !told {
		parts = []fx.Option{users.Module, posts.Module, follows.Module, sse.Module}
	}
	var s services
	parts = append(parts, fx.Invoke(func(in services) { s = in }))
	set := map[string]string{"storage.data": dir, "server.listen": address, "server.public_url": publicURL,
		"admin.enabled": "false", "limits.enabled": "false"}
	program := app.New(app.Options{Source: config.Source{Flags: set,
		ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }},
		Clock: time.Now, Log: zap.NewNop(), Err: io.Discard, Hooks: app.Hooks{KeyBlock: 1}}, parts...)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := program.Start(ctx); err != nil {
		t.Fatal(err)
	}
	use(&s)
	if err := program.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// player plays acts through the services.
type player struct {
	t    *testing.T
	plan seed.Plan
	s    *services
	who  []social.Actor
	made []social.ID // the post that an act made
}

// play does what is in a plan's past, one act after the other.
func play(t *testing.T, dir string, plan seed.Plan) {
	t.Helper()
	acts, err := seed.Acts(plan)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, plan: plan}
	first := slices.IndexFunc(acts, func(a seed.Act) bool { return a.Kind == "post" })
	do := func(list []seed.Act) func(*services) {
		return func(s *services) {
			p.s = s
			for _, a := range list {
				if err := p.act(t.Context(), a); err != nil {
					t.Fatalf("%+v: %v", a, err)
				}
			}
		}
	}
	runProgram(t, dir, false, do(acts[:first]))
	runProgram(t, dir, true, do(acts[first:]))
}

func (p *player) act(ctx context.Context, a seed.Act) error {
	var made social.ID
	defer func() { p.made = append(p.made, made) }()
	switch a.Kind {
	case "join":
		name := fmt.Sprintf(seed.NameForm, a.Who)
		me, err := p.s.Users.Add(ctx, name, social.NewID().String(), social.RoleUser, "")
		if err != nil {
			return err
		}
		p.who = append(p.who, social.Actor{UserID: me.ID, Role: social.RoleUser})
		_, err = p.s.Users.CreateToken(ctx, name, a.Token, []social.Scope{social.ScopeRead, social.ScopeEvents,
			social.ScopeWritePosts,
			social.ScopeWriteFollows, social.ScopeWriteNotifications, social.ScopeWriteAccount}, 0)
		return err
	case "service":
		_, _, err := p.s.Users.CreateService(ctx, a.Token)
		return err
	case "follow":
		_, err := p.s.Follows.Follow(ctx, p.who[a.Who], p.who[a.Whom].UserID, follows.Wishes{})
		return err
	case "post", "reply":
		d := posts.Draft{Text: p.text()}
		if a.Kind == "reply" {
			d.ReplyTo = p.made[a.Post]
		}
		post, err := p.s.Posts.Publish(ctx, p.who[a.Who], d, nil)
		made = post.ID
		return err
	case "push":
		_, err := p.s.Tell.Push(ctx, notifications.Push{Receiver: p.who[a.Whom].UserID.String(), Type: seed.PushWord,
			Content: p.text()}, nil)
		return err
	}
	return errors.New("unknown")
}

// text is what the past says under the next order key.
func (p *player) text() string {
	var last int64
	err := p.s.DB.Read(p.t.Context(), func(q storage.Querier) error {
		return q.QueryRow(p.t.Context(), `SELECT last FROM order_keys`).Scan(&last)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return seed.Text(p.plan, last+1)
}

// openStore opens a directory that no program has.
func openStore(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, sqlite.FileName), Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// trimOutbox does what retention does, up to a floor: the log is made anew at the next start.
func trimOutbox(t *testing.T, dir string, floor int64) {
	t.Helper()
	db := openStore(t, dir)
	defer db.Close()
	err := db.InTx(t.Context(), func(tx storage.Tx) error {
		if _, err := tx.Exec(t.Context(), `UPDATE log_state SET floor = $1`, floor); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `DELETE FROM outbox WHERE id <= $1`, floor)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "belfry.log.bolt")); err != nil {
		t.Fatal(err)
	}
}

// openLog opens the event log of a directory that no program has; nil if there is none.
func openLog(t *testing.T, dir string) *bolt.Log {
	t.Helper()
	path := filepath.Join(dir, "belfry.log.bolt")
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	l, err := bolt.Open(bolt.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
