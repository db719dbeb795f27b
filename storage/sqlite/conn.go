package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/belfry-social/belfry/modules/social"
)

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 1000

// conn is one connection with its prepared statements. It is for one goroutine at a time.
type conn struct {
	db    *sqlite3.Conn
	stmts map[string]*stmt
	open  *rows // the rows given out last
	wrote bool  // a statement that may write was run; who wants to know sets it to false before
}

// connect opens the file, making it if it is not there. more are pragmas; they win over those of cfg.
func connect(cfg Config, more ...string) (*conn, error) {
	vfs.Register(fileLayer, files{vfs.Find("os").(vfs.VFSFilename)}) //nolint:forcetypeassert // the library's own
	param := url.Values{"vfs": {fileLayer}}
	if cfg.Synchronous == SyncFull {
		param.Set("gather", "1")
	}
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: cfg.Path, RawQuery: param.Encode()}).String()
	db, err := sqlite3.OpenFlags(name, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, mapped(err)
	}
	// A plan that holds for every value of the arguments, so that SQLite need not plan again when LIMIT $1 changes.
	_, err = db.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true)
	for _, pragma := range append(cfg.pragmas(), more...) {
		err = errors.Join(err, db.Exec("PRAGMA "+pragma))
	}
	if err != nil {
		return nil, errors.Join(mapped(err), db.Close())
	}
	return &conn{db: db, stmts: map[string]*stmt{}}, nil
}

func (c *conn) close() error {
	errs := []error{c.closeRows()}
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return mapped(errors.Join(append(errs, c.db.Close())...))
}

// interrupted has fn run statements that end when ctx does.
func (c *conn) interrupted(ctx context.Context, fn func() error) error {
	defer c.db.SetInterrupt(c.db.SetInterrupt(ctx))
	if err := fn(); ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

// exec runs a statement to its end and gives the number of rows it changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.stmt(query, args)
	if err == nil {
		err = s.Exec()
	}
	if err != nil {
		return 0, mapped(err)
	}
	return c.db.Changes(), nil
}

// query starts a query; r is to read its rows.
func (c *conn) query(r *rows, query string, args ...any) error {
	s, err := c.stmt(query, args)
	if err != nil {
		return mapped(err)
	}
	r.s, c.open = s, r
	return nil
}

// stmt gives the prepared form of a text, bound to args. Rows that are still open end: their statement may be this one.
func (c *conn) stmt(query string, args []any) (*stmt, error) {
	if err := c.closeRows(); err != nil {
		return nil, err
	}
	s, ok := c.stmts[query]
	if !ok {
		var err error
		if s, err = c.prepare(query); err != nil {
			return nil, err
		}
		if len(c.stmts) >= maxStatements {
			for text, old := range c.stmts { // any one: so large a set of texts is a mistake, and costs only time
				_ = old.Close()
				delete(c.stmts, text)
				break
			}
		}
		c.stmts[query] = s
	}
	c.wrote = c.wrote || s.writes
	return s, s.bind(args)
}

// closeRows ends the rows given out last and returns what went wrong while they were read.
func (c *conn) closeRows() error {
	r := c.open
	if r == nil {
		return nil
	}
	c.open = nil
	err := r.err
	if r.s != nil {
		r.end()
		r.err = errCut
	}
	return err
}

// inTransaction reports whether BEGIN was run and neither COMMIT nor SQLite has ended the transaction.
func (c *conn) inTransaction() bool { return !c.db.GetAutocommit() }

// stmt is a prepared statement.
type stmt struct {
	*sqlite3.Stmt
	places []int // the argument of each placeholder: SQLite counts them as they come, not by their numbers
	args   int   // how many arguments it takes
	writes bool  // it may change the database
}

// prepare makes a statement of a text that holds just one.
func (c *conn) prepare(query string) (*stmt, error) {
	p, rest, err := c.db.PrepareFlags(query, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	if p == nil || strings.TrimSpace(rest) != "" {
		return nil, errors.Join(fmt.Errorf("sqlite: not one statement: %q", query), p.Close())
	}
	s := &stmt{Stmt: p, places: make([]int, p.BindCount()), writes: !p.ReadOnly()}
	for i := range s.places {
		name := p.BindName(i + 1)
		number, err := strconv.Atoi(strings.TrimPrefix(name, "$"))
		if err != nil || number < 1 || name[0] != '$' {
			return nil, errors.Join(fmt.Errorf("sqlite: placeholder %q is not $1, $2, …", name), p.Close())
		}
		s.places[i] = number - 1
		s.args = max(s.args, number)
	}
	return s, nil
}

func (s *stmt) bind(args []any) error {
	if len(args) < s.args {
		return fmt.Errorf("sqlite: %d arguments for a statement with %d", len(args), s.args)
	}
	for i, place := range s.places {
		if err := s.bindOne(i+1, args[place]); err != nil {
			return fmt.Errorf("sqlite: argument %d: %w", place+1, err)
		}
	}
	return nil
}

func (s *stmt) bindOne(i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return s.BindNull(i)
	case int64:
		return s.BindInt64(i, v)
	case int:
		return s.BindInt(i, v)
	case bool:
		return s.BindBool(i, v)
	case float64:
		return s.BindFloat(i, v)
	case string:
		return s.BindText(i, v)
	case []byte:
		return s.BindBlob(i, v)
	case social.ID: // as its Value, without an allocation
		if v.IsZero() {
			return s.BindNull(i)
		}
		return s.BindBlob(i, v[:])
	case time.Time: // not known to both engines in one form
		return errors.New("is a time.Time")
	}
	plain, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil {
		return err
	}
	return s.bindOne(i, plain)
}
