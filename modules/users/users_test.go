package users_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

const password = "a harbour at dawn"

// world is the module on a store of its own.
type world struct {
	*moduletest.Fixture
	users  *users.Service
	limits *limits
}

func open(t testing.TB, change ...func(*users.Config)) *world {
	t.Helper()
	f := moduletest.Open(t, users.Migrations)
	cfg := users.DefaultConfig()
	cfg.HashWait = time.Minute // the machine of a test may be busy
	for _, fn := range change {
		fn(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &world{Fixture: f, limits: &limits{spent: map[string]int{}}}
	w.users = users.New(cfg, social.Site{PublicURL: "https://social.example"}, f.DB, f.Bus, f.Clock, f.Pages, f.Log)
	w.users.Ports.Limits = w.limits
	f.Bus.React(w.users.Reactions()...)
	return w
}

// limits counts what is spent and refuses the keys it was told to.
type limits struct {
	mu      sync.Mutex
	spent   map[string]int
	refused string
}

func (l *limits) Take(b social.Budget, key string) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := string(b) + ":" + key
	l.spent[full]++
	return 42 * time.Second, l.refused != full
}

// total is how much was spent and not given back.
func (l *limits) total() (n int) {
	for _, spent := range l.spent {
		n += spent
	}
	return n
}

// Guess refuses those accounts, too.
func (l *limits) Guess(account string, exists bool) (func(), time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := fmt.Sprintf("guess:%s %t", account, exists)
	l.spent[full]++
	return func() { l.mu.Lock(); defer l.mu.Unlock(); l.spent[full]-- }, 42 * time.Second, l.refused != full
}

func from(ctx context.Context, address string) context.Context {
	return social.WithAddress(ctx, address)
}

func (w *world) register(t testing.TB, name string) users.Welcome {
	t.Helper()
	welcome, err := w.users.Register(from(t.Context(), "192.0.2.7"),
		users.Registration{Username: name, Password: password}, "Test/1.0")
	if err != nil {
		t.Fatalf("register %s: %v", name, err)
	}
	return welcome
}

// actor is who comes with the session of a welcome.
func (w *world) actor(t testing.TB, welcome users.Welcome) social.Actor {
	t.Helper()
	a, err := w.users.Authenticate(t.Context(), social.Credentials{Cookie: welcome.Secret})
	if err != nil {
		t.Fatalf("authenticate: %v", err)
	}
	return a
}

func (w *world) token(t testing.TB, a social.Actor, scopes ...social.Scope) users.Token {
	t.Helper()
	token, err := w.users.IssueToken(t.Context(), a, users.TokenDraft{Name: "program", Scopes: scopes}, nil)
	if err != nil {
		t.Fatalf("issue token: %v", err)
	}
	return token
}

func (w *world) runJobs(t testing.TB) {
	t.Helper()
	for _, job := range w.users.Jobs() {
		for more := true; more; {
			var err error
			if more, err = job.Run(t.Context()); err != nil {
				t.Fatalf("job %s: %v", job.Name, err)
			}
		}
	}
}

// count gives the number of rows of a table.
func (w *world) count(t testing.TB, table string) (n int) {
	t.Helper()
	w.Read(t, func(q storage.Querier) error { return q.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n) })
	return n
}

// dump gives every value of every table as text, for canaries.
func (w *world) dump(t testing.TB) string {
	t.Helper()
	var out strings.Builder
	w.Read(t, func(q storage.Querier) error {
		var tables []string
		err := each(t.Context(), q, `SELECT name FROM sqlite_master WHERE type = 'table'`, func(rows storage.Rows) error {
			tables = append(tables, "")
			return rows.Scan(&tables[len(tables)-1])
		})
		if err != nil {
			return err
		}
		for _, table := range tables {
			var columns []string
			err := each(t.Context(), q, `SELECT name FROM pragma_table_info('`+table+`')`, func(rows storage.Rows) error {
				columns = append(columns, "")
				return rows.Scan(&columns[len(columns)-1])
			})
			if err != nil {
				return err
			}
			err = each(t.Context(), q, `SELECT * FROM `+table, func(rows storage.Rows) error {
				values := make([]any, len(columns))
				for i := range values {
					values[i] = new(any)
				}
				if err := rows.Scan(values...); err != nil {
					return err
				}
				for i, v := range values {
					fmt.Fprintf(&out, "%s.%s=%s\n", table, columns[i], text(*v.(*any)))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out.String()
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

func each(ctx context.Context, q storage.Querier, query string, scan func(storage.Rows) error) error {
	rows, err := q.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// wantCode fails unless err is a fault of that code; "" means no error.
func wantCode(t testing.TB, what string, err error, code social.Code) {
	t.Helper()
	if code == "" && err == nil || code != "" && social.IsFault(err, code) {
		return
	}
	t.Errorf("%s: got error %v, want code %q", what, err, code)
}

// wantField fails unless err refuses exactly this field.
func wantField(t testing.TB, what string, err error, pointer string, code social.FieldCode) {
	t.Helper()
	var f *social.Fault
	if !errors.As(err, &f) || f.Code != social.CodeValidationFailed || len(f.Fields) != 1 ||
		f.Fields[0].Pointer != pointer || f.Fields[0].Code != code {
		t.Errorf("%s: got error %v with %+v, want one field %s %s", what, err, f, pointer, code)
	}
}
