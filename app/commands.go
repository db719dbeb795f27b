package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/posts"
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
	posts      *posts.Service
	media      *media.Service
	migrations []storage.Migrations
	clock      social.Clock
	serving    bool // a server runs on these stores

	http     *http.Server
	done     chan struct{}
	stopping chan struct{} // closed when the socket is about to close
	backing  sync.Mutex    // held while a backup is made
}

func newCommands(s *stores, clock social.Clock, in struct {
	fx.In
	Users      *users.Service       `optional:"true"`
	Posts      *posts.Service       `optional:"true"`
	Media      *media.Service       `optional:"true"`
	Migrations []storage.Migrations `group:"migrations"`
}) *commands {
	return &commands{stores: s, users: in.Users, posts: in.Posts, media: in.Media, migrations: in.Migrations, clock: clock}
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
	case cli.Invite, cli.PostDelete, cli.Audit:
		return c.operate(ctx, name, args)
	case cli.UserAdd, cli.UserResetPassword, cli.UserList, cli.UserRole, cli.UserDelete, cli.UserSuspend, cli.UserRestore,
		cli.UserSignOut:
		var a cli.UserArgs
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		out, err := c.runUser(ctx, name, a)
		return out, named(err, a.Username)
	case cli.TokenCreate, cli.TokenService, cli.TokenDelete, cli.TokenList, cli.TokenRevoke:
		var a cli.TokenArgs
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		out, err := c.runToken(ctx, name, a)
		return out, named(err, a.Username)
	}
	return nil, fmt.Errorf("no such command: %s", name)
}

// named says who was not found: these commands are all about one person.
func named(err error, username string) error {
	if social.IsFault(err, social.CodeNotFound) {
		return fmt.Errorf("there is no user %q", username)
	}
	return err
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
	case cli.UserSuspend:
		return struct{}{}, c.users.Suspend(ctx, a.Username)
	case cli.UserSignOut:
		return struct{}{}, c.users.SignOut(ctx, a.Username)
	case cli.UserRestore:
		return struct{}{}, c.users.Restore(ctx, a.Username)
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
	case cli.TokenList:
		return c.listTokens(ctx, a.Username)
	case cli.TokenRevoke:
		id, err := social.ParseID(a.ID)
		if err != nil {
			return nil, fmt.Errorf("%q is no id of a token", a.ID)
		}
		if err = c.users.EndAnyToken(ctx, id); social.IsFault(err, social.CodeNotFound) {
			err = fmt.Errorf("there is no token %s", id)
		}
		return struct{}{}, err
	case cli.TokenDelete:
		id, err := social.ParseID(a.ID)
		if err != nil {
			return nil, err
		}
		if err := c.users.RevokeToken(ctx, a.Username, id); !social.IsFault(err, social.CodeNotFound) {
			return struct{}{}, err
		}
		return struct{}{}, nil // the token is gone, or the person with it
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

// listTokens lists a person's tokens, or those of services when no name is given.
func (c *commands) listTokens(ctx context.Context, username string) (any, error) {
	at := func(t *social.Time) string {
		if t == nil {
			return ""
		}
		return t.String()
	}
	out := []cli.TokenLine{}
	if username == "" {
		list, err := c.users.Services(ctx)
		for _, t := range list {
			out = append(out, cli.TokenLine{ID: t.ID.String(), Name: t.Name, Scopes: []string{string(social.ScopeNotifySend)},
				CreatedAt: t.CreatedAt.String(), LastUsed: at(t.LastUsedAt)})
		}
		return out, err
	}
	list, err := c.users.TokensOf(ctx, username)
	for _, t := range list {
		line := cli.TokenLine{ID: t.ID.String(), Name: t.Name, CreatedAt: t.CreatedAt.String(), LastUsed: at(t.LastUsedAt),
			ExpiresAt: at(t.ExpiresAt)}
		for _, s := range t.Scopes {
			line.Scopes = append(line.Scopes, string(s))
		}
		out = append(out, line)
	}
	return out, err
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
	text, err := c.checkStores(ctx)
	if err != nil || c.media == nil {
		return cli.LogReply{Text: text}, err
	}
	files, whole, err := c.checkMedia(ctx)
	if err == nil && !whole {
		err = errors.New(files)
	}
	return cli.LogReply{Text: text + "; " + files}, err
}

func (c *commands) checkStores(ctx context.Context) (string, error) {
	if err := c.stores.db.Check(ctx); err != nil {
		return "", fmt.Errorf("database: %w", err)
	}
	if err := c.stores.log.Check(ctx); err != nil {
		return "", fmt.Errorf("event log: %w", err)
	}
	kept := c.stores.log.Kept()
	return fmt.Sprintf("both stores are sound; head %s, oldest %s", kept.Newest(), kept.Oldest()), nil
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
	Account string          `json:"account"` // of the operating system: who gives the command
}

type commandReply struct {
	Reply json.RawMessage `json:"reply,omitempty"`
	Error string          `json:"error,omitempty"`
}

// listen opens the socket of a running server. The directory's lock is held, so a socket that is there is a
// leftover, as is the copy of a backup.
func (c *commands) listen(ctx context.Context) error {
	path := filepath.Join(c.stores.cfg.Data, socketFile)
	if err := removeDatabase(filepath.Join(c.stores.cfg.Data, backupFile)); err != nil {
		return err
	}
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
	c.done, c.stopping = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.done)
		_ = c.http.Serve(ownOnly{ln}) // ends with close
	}()
	return nil
}

func (c *commands) close(ctx context.Context) error {
	if c.http == nil {
		return nil
	}
	close(c.stopping)
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
	} else if req.Command == cli.Backup {
		c.sendBackup(w, r)
		return
	} else {
		out = c.reply(byOperator(r.Context(), req.Account, req.Args), req.Command, req.Args)
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
