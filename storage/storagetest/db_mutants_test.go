package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestDBMutants gives the kit wrong stores. Each has to be caught, by one of the cases named.
func TestDBMutants(t *testing.T) {
	for _, m := range []struct {
		name  string
		by    []string // the cases that have to fail
		wrong wrongDB
	}{
		{"ignores a dead batch", []string{"dead batch"}, group(flaws{ignoresDeath: true})},
		{"answers refusals before the commit", []string{"sound refusal"}, group(flaws{keepsRefusals: true})},
		{"one savepoint for all", []string{"separate fates"}, group(flaws{sharedFate: true})},
		{"keeps what was refused", []string{"refused", "separate fates"}, group(flaws{noRollback: true})},
		{"looks for the end after the function only", []string{"swallowed"}, group(flaws{})},
		{"commits what panicked", []string{"panic"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB, ctx context.Context,
			fn func(storage.Tx) error) error {
			var failure error
			err := db.InTx(ctx, func(tx storage.Tx) (err error) {
				defer func() {
					if r := recover(); r != nil {
						failure = fmt.Errorf("panic: %v", r)
					}
				}()
				return fn(tx)
			})
			return errors.Join(err, failure)
		}})},
		{"swallows the end of a goroutine", []string{"goexit"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			return db.InTx(ctx, func(tx storage.Tx) (err error) {
				done := make(chan struct{})
				go func() { defer close(done); err = fn(tx) }()
				<-done
				return err
			})
		}})},
		{"answers by the context", []string{"running context"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			err := db.InTx(ctx, fn)
			return errors.Join(err, ctx.Err())
		}})},
		{"lets the context reach the engine", []string{"running context"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			return db.InTx(ctx, func(tx storage.Tx) error { return fn(interruptible{tx}) })
		}})},
		{"runs in spite of an ended context", []string{"ended context"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			return db.InTx(context.WithoutCancel(ctx), fn)
		}})},
		{"runs although its caller has left", []string{"waiting context"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			answer, w := make(chan error, 1), watch(context.WithoutCancel(ctx))
			go func() { answer <- db.InTx(w, fn) }()
			<-w.waits
			select {
			case err := <-answer:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}})},
		{"reads without a snapshot", []string{"snapshot"}, func(_ testing.TB, db *sqlite.DB, path string) storage.DB {
			return &dbMutant{DB: db, read: func(_ *sqlite.DB, _ context.Context, fn func(storage.Querier) error) error {
				handle, err := sql.Open("sqlite3", "file:"+path)
				if err != nil {
					return err
				}
				defer handle.Close()
				return fn(eachItsOwn{handle})
			}}
		}},
		{"reads through the writer", []string{"read only"}, mutateDB(dbMutant{read: func(db *sqlite.DB, ctx context.Context,
			fn func(storage.Querier) error) error {
			return db.InTx(ctx, func(tx storage.Tx) error { return fn(tx) })
		}})},
		{"counts keys in each transaction", []string{"keys"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			return db.InTx(ctx, func(tx storage.Tx) error { return fn(&ownKeys{Tx: tx}) })
		}})},
		{"gives keys before its turn", []string{"keys"}, func(_ testing.TB, db *sqlite.DB, _ string) storage.DB {
			var last atomic.Int64
			return &dbMutant{DB: db, inTx: func(db *sqlite.DB, ctx context.Context, fn func(storage.Tx) error) error {
				own := (last.Add(1) ^ 1) * 10 // neighbours change places
				return db.InTx(ctx, func(tx storage.Tx) error { return fn(&ownKeys{tx, own}) })
			}}
		}},
		{"does not name a broken unique key", []string{"unique"}, mutateDB(dbMutant{inTx: func(db *sqlite.DB,
			ctx context.Context, fn func(storage.Tx) error) error {
			if err := db.InTx(ctx, fn); err != nil {
				return errors.New(err.Error())
			}
			return nil
		}})},
		{"never wakes the relay", []string{"committed"}, mutateDB(dbMutant{wakes: make(chan struct{})})},
		{"migrates beyond what it knows", []string{"newer store"}, mutateDB(dbMutant{migrate: func(db *sqlite.DB,
			ctx context.Context, m storage.Migrations) error {
			if err := db.Migrate(ctx, m); !errors.Is(err, storage.ErrAhead) {
				return err
			}
			return nil
		}})},
		{"takes every owner for one", []string{"owners apart"}, mutateDB(dbMutant{migrate: func(db *sqlite.DB,
			ctx context.Context, m storage.Migrations) error {
			if m.Owner == "other" {
				m.Owner = "steps"
			}
			return db.Migrate(ctx, m)
		}})},
	} {
		t.Run(m.name, func(t *testing.T) {
			for _, name := range m.by {
				failures := judgeDB(t, dbCaseOf(t, name), m.wrong)
				if len(failures) == 0 {
					t.Errorf("the case %q does not notice", name)
				}
				for _, f := range failures {
					t.Log(f)
				}
			}
		})
	}
}

// TestDBControl shows that the mutants are caught for their flaws: without them they pass.
func TestDBControl(t *testing.T) {
	for _, c := range dbCases {
		if failures := judgeDB(t, c, mutateDB(dbMutant{})); len(failures) > 0 {
			t.Errorf("%s: a sound store is refused: %q", c.name, failures)
		}
	}
	for _, name := range []string{"answered", "refused", "separate fates", "dead batch", "sound refusal"} {
		if failures := judgeDB(t, dbCaseOf(t, name), group(flaws{})); len(failures) > 0 {
			t.Errorf("%s: a sound group commit is refused: %q", name, failures)
		}
	}
}

// TestDBMutantDeadBatch pins the words: a store that goes on in a dead batch is found by the refused callers' rows.
func TestDBMutantDeadBatch(t *testing.T) {
	failures := judgeDB(t, dbCaseOf(t, "dead batch"), group(flaws{ignoresDeath: true}))
	if !slices.ContainsFunc(failures, func(f string) bool {
		return strings.Contains(f,
			"a refused caller's row is in the database")
	}) {
		t.Errorf("reported: %q", failures)
	}
}

// wrongDB makes a wrong store around a sound one, whose file is at path.
type wrongDB func(t testing.TB, db *sqlite.DB, path string) storage.DB

func dbCaseOf(t *testing.T, name string) dbCase {
	t.Helper()
	i := slices.IndexFunc(dbCases, func(c dbCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no case %q", name)
	}
	return dbCases[i]
}

// judgeDB runs one case against a wrong store and returns what it reported.
func judgeDB(t *testing.T, c dbCase, wrong wrongDB) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Synchronous: sqlite.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	limit := dbLimit
	if c.name == "committed" {
		limit = 2 * time.Second // its dbMutant is told by what does not come
	}
	report := &dbReporter{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.check(report, wrong(t, db, path), limit)
	}()
	<-done
	return report.failures
}

// dbReporter keeps what a case reports, and does not fail the test.
type dbReporter struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *dbReporter) Helper() {}

func (r *dbReporter) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *dbReporter) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// dbMutant is a sound store with some methods replaced.
type dbMutant struct {
	*sqlite.DB
	inTx    func(db *sqlite.DB, ctx context.Context, fn func(storage.Tx) error) error
	read    func(db *sqlite.DB, ctx context.Context, fn func(storage.Querier) error) error
	migrate func(db *sqlite.DB, ctx context.Context, m storage.Migrations) error
	wakes   chan struct{}
}

func mutateDB(m dbMutant) wrongDB {
	return func(_ testing.TB, db *sqlite.DB, _ string) storage.DB {
		own := m
		own.DB = db
		return &own
	}
}

func (m *dbMutant) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	if m.inTx == nil {
		return m.DB.InTx(ctx, fn)
	}
	return m.inTx(m.DB, ctx, fn)
}

func (m *dbMutant) Read(ctx context.Context, fn func(storage.Querier) error) error {
	if m.read == nil {
		return m.DB.Read(ctx, fn)
	}
	return m.read(m.DB, ctx, fn)
}

func (m *dbMutant) Migrate(ctx context.Context, list storage.Migrations) error {
	if m.migrate == nil {
		return m.DB.Migrate(ctx, list)
	}
	return m.migrate(m.DB, ctx, list)
}

func (m *dbMutant) Committed() <-chan struct{} {
	if m.wakes == nil {
		return m.DB.Committed()
	}
	return m.wakes
}

// interruptible is a transaction that listens to contexts.
type interruptible struct{ storage.Tx }

func (i interruptible) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return i.Tx.Exec(ctx, query, args...)
}

// eachItsOwn reads every statement in a snapshot of its own.
type eachItsOwn struct{ handle *sql.DB }

func (e eachItsOwn) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	return e.handle.QueryContext(ctx, query, args...)
}

func (e eachItsOwn) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	return e.handle.QueryRowContext(ctx, query, args...)
}

// ownKeys counts keys by itself.
type ownKeys struct {
	storage.Tx
	last int64
}

func (o *ownKeys) NextKey(context.Context) (int64, error) {
	o.last++
	return o.last, nil
}
