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
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// socketFile is the command socket's name in the data directory. Its mode is 0600: whoever may read the data may
// use it.
const socketFile = "belfry.sock"

// commands answers the command line's calls on data: in a running server through its socket, else in the process
// of the command itself, under the lock of the data directory.
type commands struct {
	stores     *stores
	users      *users.Service
	migrations []storage.Migrations
	clock      social.Clock
	serving    bool // a server runs on these stores

	http *http.Server
	done chan struct{}
}

func newCommands(s *stores, clock social.Clock, in struct {
	fx.In
	Users      *users.Service       `optional:"true"`
	Migrations []storage.Migrations `group:"migrations"`
}) *commands {
	return &commands{stores: s, users: in.Users, migrations: in.Migrations, clock: clock}
}

// run does one command. The answer is a JSON value.
func (c *commands) run(ctx context.Context, name string, args json.RawMessage) (any, error) {
	switch name {
	case cli.MigrateStatus, cli.MigrateUp:
		return c.migrateStatus(ctx)
	case cli.LogCheck:
		return c.checkLog(ctx)
	case cli.LogRebuild:
		return c.rebuildLog(ctx)
	}
	if c.users == nil {
		return nil, errors.New("this program has no users module")
	}
	switch name {
	case cli.UserAdd, cli.UserResetPassword, cli.UserList, cli.UserRole, cli.UserDelete:
		var a cli.UserArgs
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		return c.runUser(ctx, name, a)
	case cli.TokenCreate, cli.TokenService, cli.TokenDelete:
		var a cli.TokenArgs
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		return c.runToken(ctx, name, a)
	}
	return nil, fmt.Errorf("no such command: %s", name)
}

func (c *commands) runUser(ctx context.Context, name string, a cli.UserArgs) (any, error) {
	switch name {
	case cli.UserAdd:
		me, err := c.users.Add(ctx, a.Username, a.Password, social.Role(a.Role), a.DisplayName)
		if err != nil {
			return nil, err
		}
		return lineOf(me), nil
	case cli.UserResetPassword:
		return struct{}{}, c.users.ResetPassword(ctx, a.Username, a.Password)
	case cli.UserRole:
		return struct{}{}, c.users.SetRole(ctx, a.Username, social.Role(a.Role))
	case cli.UserDelete:
		return struct{}{}, c.users.Delete(ctx, a.Username)
	default:
		page, err := c.users.List(ctx, social.PageQuery{Limit: 100, Cursor: a.After})
		if err != nil {
			return nil, err
		}
		out := cli.UserPage{Users: make([]cli.UserLine, 0, len(page.Items))}
		for _, me := range page.Items {
			out.Users = append(out.Users, lineOf(me))
		}
		if page.Next != nil {
			out.Next = *page.Next
		}
		return out, nil
	}
}

func lineOf(me users.Me) cli.UserLine {
	return cli.UserLine{ID: me.ID.String(), Username: me.Username, Role: string(me.Role), State: string(me.State),
		CreatedAt: me.CreatedAt.String()}
}

func (c *commands) runToken(ctx context.Context, name string, a cli.TokenArgs) (any, error) {
	switch name {
	case cli.TokenService:
		secret, id, err := c.users.CreateService(ctx, a.Name)
		return cli.TokenReply{ID: id.String(), Token: secret}, err
	case cli.TokenDelete:
		id, err := social.ParseID(a.ID)
		if err != nil {
			return nil, err
		}
		return struct{}{}, c.users.RevokeToken(ctx, a.Username, id)
	default:
		scopes := make([]social.Scope, len(a.Scopes))
		for i, s := range a.Scopes {
			scopes[i] = social.Scope(s)
		}
		var lasts time.Duration
		if a.ExpiresIn != "" {
			var err error
			if lasts, err = time.ParseDuration(a.ExpiresIn); err != nil {
				return nil, err
			}
		}
		t, err := c.users.CreateToken(ctx, a.Username, a.Name, scopes, lasts)
		if err != nil {
			return nil, err
		}
		return cli.TokenReply{ID: t.ID.String(), Token: *t.Token}, nil
	}
}

func (c *commands) migrateStatus(ctx context.Context) (any, error) {
	var out []cli.MigrateLine
	for _, m := range append([]storage.Migrations{storage.OwnMigrations}, c.migrations...) {
		s, err := c.stores.db.Versions(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, cli.MigrateLine(s))
	}
	return out, nil
}

func (c *commands) checkLog(ctx context.Context) (any, error) {
	if err := c.stores.db.Check(ctx); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := c.stores.log.Check(ctx); err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	kept := c.stores.log.Kept()
	text := fmt.Sprintf("both stores are sound; head %s, oldest %s", kept.Newest(), kept.Oldest())
	return cli.LogReply{Text: text}, nil
}

func (c *commands) rebuildLog(ctx context.Context) (any, error) {
	if c.serving {
		return nil, errors.New("the server is running: stop it first")
	}
	n, err := outbox.Rebuild(ctx, c.stores.db, c.stores.log)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("the event log is written anew from %d announcements; head %s", n, c.stores.log.Head())
	return cli.LogReply{Text: text}, nil
}

// request and reply are what goes through the socket.
type commandRequest struct {
	Command string          `json:"command"`
	Args    json.RawMessage `json:"args"`
}

type commandReply struct {
	Reply json.RawMessage `json:"reply,omitempty"`
	Error string          `json:"error,omitempty"`
}

// listen opens the socket of a running server. The directory's lock is held, so a socket that is there is a
// leftover.
func (c *commands) listen(ctx context.Context) error {
	path := filepath.Join(c.stores.cfg.Data, socketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var ln net.Listener
	err := withSocket(path, func(address string) (err error) {
		var lc net.ListenConfig
		ln, err = lc.Listen(ctx, "unix", address)
		return err
	})
	if err != nil {
		return fmt.Errorf("command socket: %w", err)
	}
	if l, ok := ln.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false) // close does it: the address may not hold any more
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, ln.Close())
	}
	c.serving = true
	c.http = &http.Server{Handler: http.HandlerFunc(c.answer), ReadHeaderTimeout: 5 * time.Second}
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		_ = c.http.Serve(ln) // ends with close
	}()
	return nil
}

func (c *commands) close(ctx context.Context) error {
	if c.http == nil {
		return nil
	}
	if err := c.http.Shutdown(ctx); err != nil {
		_ = c.http.Close()
	}
	<-c.done
	return os.Remove(filepath.Join(c.stores.cfg.Data, socketFile))
}

func (c *commands) answer(w http.ResponseWriter, r *http.Request) {
	var req commandRequest
	var out commandReply
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&req); err != nil {
		out.Error = err.Error()
	} else {
		out = c.reply(r.Context(), req.Command, req.Args)
	}
	_ = json.NewEncoder(w).Encode(out) // the command may have been given up
}

func (c *commands) reply(ctx context.Context, name string, args json.RawMessage) commandReply {
	v, err := c.run(ctx, name, args)
	if err != nil {
		return commandReply{Error: explain(err)}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return commandReply{Error: err.Error()}
	}
	return commandReply{Reply: text}
}

// explain adds to a fault which fields were refused and why.
func explain(err error) string {
	var f *social.Fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	text := f.Detail
	for _, field := range f.Fields {
		text += " " + field.Pointer + ": " + field.Detail
	}
	return text
}

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

// callSocket sends a command to a running server; errNobody if there is none.
func callSocket(ctx context.Context, path, name string, args json.RawMessage) (out commandReply, err error) {
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
	body, err := json.Marshal(commandRequest{Command: name, Args: args})
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://belfry/", bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, errNobody) {
		return out, err
	}
	if err == nil {
		defer resp.Body.Close()
		err = json.NewDecoder(resp.Body).Decode(&out)
	}
	if err != nil {
		return out, fmt.Errorf("the server ended before it answered, the command may be done or not: %w", err)
	}
	return out, nil
}

// callHere opens the stores in this process, does the command and closes them.
func (s *shell) callHere(ctx context.Context, f cli.Flags, name string,
	args json.RawMessage) (out commandReply, err error) {
	o := s.options(f)
	var c *commands
	app := fx.New(wiring(o, s.parts...), fx.NopLogger, fx.Populate(&c))
	if err := app.Err(); err != nil {
		return out, dig.RootCause(err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, c.stores.close(closing))
	}()
	if err := c.stores.openDB(ctx); err != nil {
		return out, err
	}
	if name != cli.MigrateStatus {
		if err := c.stores.migrate(ctx, c.migrations); err != nil {
			return out, err
		}
	}
	if name == cli.LogCheck || name == cli.LogRebuild {
		if err := c.stores.openEvents(ctx); err != nil {
			return out, err
		}
	}
	return c.reply(ctx, name, args), nil
}
