package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// conn is one connection with its prepared statements, kept as long as it is. It is for one goroutine at a time.
// Nothing on it is ever interrupted: an interrupted write would end the transaction of everybody in the batch.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
	open  *sql.Rows // the rows given out last
}

func connect(ctx context.Context, pool *sql.DB) (*conn, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, mapped(err)
	}
	return &conn{Conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

// stmt gives the prepared form of a text, and closes rows that were left open: a statement that is still being
// read cannot be run again.
func (c *conn) stmt(query string) (*sql.Stmt, error) {
	c.closeRows()
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, mapped(err)
	}
	if len(c.stmts) >= maxStatements {
		for text, old := range c.stmts { // any one: a text set this large is a mistake, and only costs time
			old.Close()
			delete(c.stmts, text)
			break
		}
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) closeRows() {
	if c.open != nil {
		c.open.Close()
		c.open = nil
	}
}

func (c *conn) exec(query string, args ...any) (sql.Result, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	return r, mapped(err)
}

func (c *conn) query(query string, args ...any) (*sql.Rows, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, mapped(err)
	}
	c.open = rows
	return rows, nil
}

func (c *conn) close() {
	c.closeRows()
	for _, s := range c.stmts {
		s.Close()
	}
	c.Conn.Close()
}

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 1000

// querier lends a connection to a function, for as long as the function runs.
type querier struct {
	c    *conn
	over bool
}

func (q *querier) Query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	if q.over {
		return nil, errOver
	}
	return q.c.query(query, args...)
}

func (q *querier) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	rows, err := q.Query(ctx, query, args...)
	return row{rows, err}
}

// row is the first row of rows.
type row struct {
	rows *sql.Rows
	err  error
}

func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return mapped(err)
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return mapped(r.rows.Close())
}

var errOver = fmt.Errorf("transaction used after its function returned: %w", sql.ErrTxDone)
