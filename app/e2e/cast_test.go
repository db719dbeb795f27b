package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// member is somebody with a token for everything.
type member struct {
	ID    social.ID
	Name  string
	Token string
}

// world is a site with people in it who cost no password hash each.
type world struct {
	*site
	users   *users.Service
	db      storage.DB
	log     storage.Log
	People  []member
	Service string // a service token
}

// startWorld runs the standard program, with parts on top, and makes n people.
func startWorld(t testing.TB, set map[string]string, n int, parts ...fx.Option) *world {
	t.Helper()
	w := &world{}
	hold := fx.Invoke(func(u *users.Service, db storage.DB, log storage.Log) {
		w.users, w.db, w.log = u, db, log
	})
	w.site = startSite(t, set, append(append(app.Standard(), hold), parts...)...)
	w.people(n)
	var err error
	if w.Service, _, err = w.users.CreateService(t.Context(), "host"); err != nil {
		t.Fatal(err)
	}
	return w
}

// people makes n more people: the first of all by the rules, the others as copies of that row.
func (w *world) people(n int) {
	w.t.Helper()
	ctx := context.Background()
	for range n {
		m := member{Name: fmt.Sprintf("person%d", len(w.People))}
		if len(w.People) == 0 {
			me, err := w.users.Add(ctx, m.Name, password, social.RoleUser, "")
			if err != nil {
				w.t.Fatal(err)
			}
			m.ID = me.ID
		} else {
			m.ID = social.NewID()
			err := w.db.InTx(ctx, func(tx storage.Tx) error {
				key, err := tx.NextKey(ctx)
				if err != nil {
					return err
				}
				_, err = tx.Exec(ctx, `INSERT INTO users (id, key, username, display_name, role, state, locale,
					time_zone, password_hash, created_at)
					SELECT $1, $2, $3, $3, role, state, locale, time_zone, password_hash, created_at FROM users
					WHERE id = $4`, m.ID, key, m.Name, w.People[0].ID)
				return err
			})
			if err != nil {
				w.t.Fatal(err)
			}
		}
		token, err := w.users.IssueToken(ctx, social.Actor{UserID: m.ID, Role: social.RoleUser},
			users.TokenDraft{Name: "test",
				Scopes: []social.Scope{"read", "events", "write:posts", "write:follows", "write:notifications", "write:account"}},
			nil)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Token = *token.Token
		w.People = append(w.People, m)
	}
}

// caller asks a server that may be gone at any moment.
type caller struct {
	base, token string
	http        *http.Client
}

func newCaller(base, token string) *caller {
	return &caller{base: base, token: token, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4},
		Timeout: 2 * deadline}}
}

// ask gives status 0 and an error when no whole answer came.
func (c *caller) ask(method, path string, body any, header ...string) (status int, out []byte, err error) {
	var r io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.base+path, r)
	if err != nil {
		return 0, nil, err
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if out, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, out, nil
}

// must is ask with a status that has to come; it returns the body.
func (c *caller) must(t testing.TB, status int, method, path string, body any, header ...string) []byte {
	t.Helper()
	got, out, err := c.ask(method, path, body, header...)
	if err != nil || got != status {
		t.Fatalf("%s %s: status %d (%v), want %d: %s", method, path, got, err, status, out)
	}
	return out
}

// gate is open while the server runs.
type gate struct {
	mu   sync.Mutex
	open chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

// pass waits until it is open; false when ctx ends before. Whoever comes right after a failure waits a moment, as
// every client does, so that a server which is just ending is not asked in a circle.
func (g *gate) pass(ctx context.Context, failed bool) bool {
	if failed {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// luck gives the random numbers of a test: from SEED, else fresh; it prints the seed.
func luck(t testing.TB) (seed uint64, rng *rand.Rand) {
	t.Helper()
	seed = uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed, rand.New(rand.NewPCG(seed, 0))
}

// number is a setting of the full form.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number above 0", name, text)
	}
	return n
}

// await waits for something that has to happen.
func await(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(deadline):
		t.Fatalf("%s did not come", what)
	}
}

func decode(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Errorf("%v in %s", err, text)
	}
}

// everything polls all that is kept for a person, page by page.
func everything(t testing.TB, base string, who member, mode string) *history {
	t.Helper()
	g := newGate()
	g.set(true)
	r := newReader(base, who, mode, first, g, newRand(1))
	defer r.http.CloseIdleConnections() // or the server's end waits for them
	for more := true; more; {
		at := r.Last
		if err := r.poll(false); err != nil {
			t.Fatalf("poll: %v", err)
		}
		more = r.Last != at && len(r.Faults) == 0
	}
	return &r.history
}

// headOf asks for the newest position.
func headOf(t testing.TB, base string, who member) string {
	t.Helper()
	var page struct{ Head string }
	if err := json.Unmarshal(newCaller(base, who.Token).must(t, 200, "GET", "/v1/events", nil,
		"Accept: application/json"), &page); err != nil {
		t.Fatal(err)
	}
	return page.Head
}

// relay is a second one on the same stores: what it copies twice is taken once.
func (w *world) relay() *outbox.Relay { return outbox.NewRelay(w.db, w.log, time.Now, zap.NewNop()) }

// settle returns when everything committed by now is in the log.
func (w *world) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := w.relay().CatchUp(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// stormed lets all write so many acts each, and returns when they are in the log.
func (w *world) stormed(acts int, seed uint64) *storm {
	g := newGate()
	g.set(true)
	s := newStorm(w.URL, w.People, w.Service, g)
	s.all(context.Background(), acts, newRand(seed))
	w.settle()
	return s
}

// first stands for the cursor before everything: a client asks from the oldest on.
var first = social.Cursor{Epoch: 1}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
