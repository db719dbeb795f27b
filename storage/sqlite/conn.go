package sqlite

import "errors"

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 1000

// conn is one connection with its prepared statements, kept as long as it is. It is for one goroutine at a time.
// Nothing on it is ever interrupted: an interrupted write would end the transaction of everybody in the batch.
type conn struct {
	*engine
	stmts map[string]*stmt
	open  *rows // the rows given out last
	wrote bool  // a statement that may write was run; whoever wants to know sets it to false before
}

func connect(path string, pragmas []string) (*conn, error) {
	e, err := openEngine(path, pragmas)
	if err != nil {
		return nil, err
	}
	return &conn{engine: e, stmts: map[string]*stmt{}}, nil
}

// stmt gives the prepared form of a text, and closes rows that were left open: a statement that is still being
// read cannot be run again.
func (c *conn) stmt(query string) (*stmt, error) {
	if err := c.closeRows(); err != nil {
		return nil, err
	}
	if s, ok := c.stmts[query]; ok {
		c.wrote = c.wrote || s.writes
		return s, nil
	}
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	if len(c.stmts) >= maxStatements {
		for text, old := range c.stmts { // any one: so large a set of texts is a mistake, and costs only time
			_ = old.close()
			delete(c.stmts, text)
			break
		}
	}
	c.stmts[query] = s
	c.wrote = c.wrote || s.writes
	return s, nil
}

// closeRows returns what went wrong while the rows were read.
func (c *conn) closeRows() error {
	if c.open == nil {
		return nil
	}
	r := c.open
	c.open = nil
	r.cut = r.s != nil
	r.end()
	return r.err
}

func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	return s.exec(args)
}

func (c *conn) query(query string, args ...any) (*rows, error) {
	r := &rows{}
	return r, c.start(r, query, args)
}

// start runs a query up to its first row.
func (c *conn) start(r *rows, query string, args []any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	if err = s.bind(args); err == nil {
		r.pending, err = s.step()
	}
	if err != nil {
		s.reset()
		return err
	}
	r.s, c.open = s, r
	return nil
}

func (c *conn) close() error {
	errs := []error{c.closeRows()}
	for _, s := range c.stmts {
		errs = append(errs, s.close())
	}
	return errors.Join(append(errs, c.engine.close())...)
}
