package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 1000

// conn is one connection with its prepared statements, kept as long as it is. It is for one goroutine at a time.
// Nothing on it is ever interrupted: an interrupted write would end the transaction of everybody in the batch.
type conn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	open  *sql.Rows // the rows given out last
}

func connect(ctx context.Context, pool *sql.DB) (*conn, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, mapped(err)
	}
	return &conn{conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

// stmt gives the prepared form of a text, and closes rows that were left open: a statement that is still being
// read cannot be run again.
func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if err := c.closeRows(); err != nil {
		return nil, err
	}
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, mapped(err)
	}
	if len(c.stmts) >= maxStatements {
		for text, old := range c.stmts { // any one: so large a set of texts is a mistake, and costs only time
			_ = old.Close()
			delete(c.stmts, text)
			break
		}
	}
	c.stmts[query] = s
	return s, nil
}

// closeRows returns what went wrong while the rows were read.
func (c *conn) closeRows() error {
	if c.open == nil {
		return nil
	}
	rows := c.open
	c.open = nil
	err := rows.Close()
	if e := rows.Err(); e != nil {
		err = e
	}
	return mapped(err)
}

func (c *conn) exec(query string, args ...any) (sql.Result, error) {
	s, err := c.stmt(query) //nolint:sqlclosecheck // kept as long as the connection
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	return r, mapped(err)
}

func (c *conn) query(query string, args ...any) (*sql.Rows, error) {
	s, err := c.stmt(query) //nolint:sqlclosecheck // kept as long as the connection
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

func (c *conn) close() error {
	errs := []error{c.closeRows()}
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return mapped(errors.Join(append(errs, c.conn.Close())...))
}
