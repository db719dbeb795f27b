package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// call is cli.Program.Call: through the socket, or in this process.
func (s *shell) call(ctx context.Context, f cli.Flags, name string, args, reply any) error {
	c, _, err := s.load(f)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	ctx = byOperator(ctx, account(s.environ), raw)
	out, err := callSocket(ctx, filepath.Join(c.Storage.Data, socketFile), name, raw)
	if errors.Is(err, errNobody) {
		out, err = s.callHere(ctx, f, name, raw)
	}
	if err != nil {
		return err
	}
	if out.Error != "" {
		return errors.New(out.Error)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(out.Reply, reply)
}

// errNobody says that no server listens on the socket. After any other failure the command may have run and is not
// repeated.
var errNobody = errors.New("no server is running")

// callSocket has a running server do a command; errNobody if there is none.
func callSocket(ctx context.Context, path, name string, args json.RawMessage) (out commandReply, err error) {
	resp, err := askSocket(ctx, path, name, args)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, unanswered(err)
	}
	return out, nil
}

// askSocket sends a command to a running server; errNobody if there is none.
func askSocket(ctx context.Context, path, name string, args json.RawMessage) (*http.Response, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var conn net.Conn
		err := withSocket(path, func(address string) (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, "unix", address)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNobody, err)
		}
		return conn, nil
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	by, _ := access.OperatorFrom(ctx)
	body, err := json.Marshal(commandRequest{Command: name, Args: args, Account: by.Account})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://belfry/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil && !errors.Is(err, errNobody) {
		err = unanswered(err)
	}
	return resp, err
}

func unanswered(err error) error {
	return fmt.Errorf("the server ended before it answered, the command may be done or not: %w", err)
}

// callHere does a command in this process.
func (s *shell) callHere(ctx context.Context, f cli.Flags, name string,
	args json.RawMessage) (out commandReply, err error) {
	err = s.here(ctx, f, func(c *commands) error {
		if err := c.openSite(ctx, s.streams.Err, name == cli.UserAdd); err != nil {
			return err
		}
		if name != cli.MigrateStatus {
			if err := c.stores.migrate(ctx, c.migrations); err != nil {
				return err
			}
		}
		if name == cli.LogCheck || name == cli.LogRebuild {
			if err := c.stores.openEvents(ctx); err != nil {
				return err
			}
		}
		out = c.reply(ctx, name, args)
		return nil
	})
	return out, err
}

// here makes the commands of this process, has fn use them, and closes what fn has opened.
func (s *shell) here(ctx context.Context, f cli.Flags, fn func(*commands) error) (err error) {
	var c *commands
	app := fx.New(wiring(s.options(f), s.parts...), fx.NopLogger, fx.Populate(&c))
	if err := app.Err(); err != nil {
		return dig.RootCause(err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, c.stores.close(closing))
	}()
	return fn(c)
}

// openSite locks the data directory and opens the database in it. Without one it fails and leaves no trace, since the
// name may be mistyped; make says that a new one is wanted, and then it is told on out.
func (c *commands) openSite(ctx context.Context, out io.Writer, make bool) error {
	dir := c.stores.cfg.Data
	_, err := os.Stat(filepath.Join(dir, sqlite.FileName))
	absent := errors.Is(err, os.ErrNotExist)
	switch {
	case err != nil && !absent:
		return fmt.Errorf("data directory: %w", err)
	case absent && !make:
		return fmt.Errorf("data directory %s: there is no %s in it; name the right one with --data, "+
			"or make one with belfry serve or belfry user add", dir, sqlite.FileName)
	}
	if err := c.stores.openDB(ctx); err != nil {
		return err
	}
	if absent {
		fmt.Fprintf(out, "belfry: a new data directory is made: %s\n", dir)
	}
	return nil
}
