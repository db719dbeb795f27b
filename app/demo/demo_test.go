package demo_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// heard is a listener that hands every event to a channel.
type heard chan social.Event

func (heard) Start(context.Context) error { return nil }
func (heard) Stop(context.Context) error  { return nil }
func (h heard) Publish(list []social.Event) {
	for _, e := range list {
		select {
		case h <- e:
		default: // nobody listens any more
		}
	}
}

type heardConfig struct {
	Enabled bool `yaml:"enabled"`
}

// community runs a demo on dir and gives what it wrote on the terminal.
func community(t *testing.T, dir string, set map[string]string, extra ...fx.Option) (said string, stop func()) {
	t.Helper()
	flags := map[string]string{"storage.data": dir, "server.listen": port(t), "admin.enabled": "false",
		"demo.people": "6", "demo.posts": "12", "demo.every": "1h"}
	for k, v := range set {
		flags[k] = v
	}
	var out strings.Builder
	program := app.New(app.Options{Source: config.Source{Flags: flags, ReadFile: func(string) ([]byte,
		error) {
		return nil, os.ErrNotExist
	}}, Clock: time.Now,
		Log: zap.NewNop(), Err: &out, Demo: true}, append(app.Standard(), extra...)...)
	if err := program.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	said = out.String()
	return said, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := program.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
}

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// told is what a demo site says, in order, without ids and times.
func told(t *testing.T, db storage.DB) string {
	t.Helper()
	var out []string
	err := db.Read(t.Context(), func(q storage.Querier) error {
		rows, err := q.Query(t.Context(),
			`SELECT u.username, p.text, p.like_count, p.comment_count FROM posts p JOIN users u ON u.id = p.author_id
				ORDER BY p.key`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, text string
			var likes, comments int
			if err := rows.Scan(&name, &text, &likes, &comments); err != nil {
				return err
			}
			out = append(out, name+": "+text+" "+strconv.Itoa(likes)+" "+strconv.Itoa(comments))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

func TestDemoIsReproducible(t *testing.T) {
	var first string
	for _, seed := range []string{"7", "7", "8"} {
		var db storage.DB
		said, stop := community(t, t.TempDir(), map[string]string{"demo.seed": seed}, fx.Populate(&db))
		if want := regexp.MustCompile(`^\n  Address   http://127\.0\.0\.1:\d+\n  Name      demo\n` +
			`  Password  belfry-demo\n\n` +
			`Log in there: something happens every 1h0m0s\. Ctrl-C ends it\.\n$`); !want.MatchString(said) {
			t.Errorf("the demo says %q, want %s", said, want)
		}
		text := told(t, db)
		stop()
		switch {
		case first == "":
			if first = text; strings.Count(first, "\n") < 4 || !strings.Contains(first, "demo: Hello everybody") {
				t.Errorf("the community has said only:\n%s", first)
			}
		case seed == "7" && text != first:
			t.Errorf("the same seed made another community:\n%s\n\n%s", first, text)
		case seed == "8" && text == first:
			t.Error("another seed made the same community")
		}
	}
}

// In any four acts in a row the account "demo" hears of at least one, also after a restart.
func TestDemoIsHeard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	for range 2 {
		events := make(heard, 256)
		var shown *people.Service
		factory := plugins.Define("heard", heardConfig{true},
			func(heardConfig, plugins.Env) (plugins.Channel, error) { return events, nil })
		_, stop := community(t, dir, map[string]string{"demo.every": "100ms"}, fx.Populate(&shown), plugins.Provide(factory))
		me, err := shown.UserByName(t.Context(), social.ID{}, "demo")
		if err != nil {
			t.Fatal(err)
		}
		mine := social.Stream{Kind: social.To, User: me.ID}
		notices := 0
		for notices < 2 {
			select {
			case e := <-events:
				if e.Stream == mine && (e.Type == social.EventNotification || e.Type == social.EventNotificationUpdated) {
					notices++
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the account hears nothing")
			}
		}
		stop()
	}
}

func TestDemoLeavesPeopleAlone(t *testing.T) {
	var people *users.Service
	o := app.Options{Source: config.Source{Flags: map[string]string{"storage.data": filepath.Join(t.TempDir(), "site"),
		"server.listen": port(t), "admin.enabled": "false"},
		ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }}, Clock: time.Now, Log: zap.NewNop(),
		Err: io.Discard}
	program := app.New(o, append(app.Standard(), fx.Populate(&people))...)
	if err := program.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"demo", "ada", "bruno", "clara", "david"} { // the names, not the people
		if _, err := people.Add(t.Context(), name, "correct horse battery", social.RoleUser, "A real person"); err != nil {
			t.Fatal(err)
		}
	}
	if err := program.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Demo = true
	again := app.New(o, app.Standard()...)
	if err := again.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "people of its own") {
		t.Errorf("the demo begins among real people: %v", err)
		_ = again.Stop(t.Context())
	}
}
