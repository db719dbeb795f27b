package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// The commands on data, by name, with their arguments and replies. app answers them; a running server does so
// through its socket.
const (
	MigrateStatus     = "migrate status"
	MigrateUp         = "migrate up"
	UserAdd           = "user add"
	UserResetPassword = "user reset-password"
	UserList          = "user list"
	UserRole          = "user role"
	UserDelete        = "user delete"
	UserSuspend       = "user suspend"
	UserRestore       = "user restore"
	UserSignOut       = "user sign-out"
	TokenCreate       = "token create"
	TokenService      = "token service"
	TokenDelete       = "token delete"
	TokenList         = "token list"
	TokenRevoke       = "token revoke"
	LogRebuild        = "log rebuild"
	LogCheck          = "log check"
	Invite            = "invite"
	PostDelete        = "post delete"
	Audit             = "audit"
)

// UserArgs are the arguments of the user commands; each uses what it needs.
type UserArgs struct {
	Username    string `json:"username"`
	Password    string `json:"password,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Role        string `json:"role,omitempty"`
	After       string `json:"after,omitempty"` // user list: a page cursor
	Reason      string `json:"reason,omitempty"`
}

// UserLine is one account of UserList and the reply of UserAdd.
type UserLine struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	Role      string `json:"role"`
	State     string `json:"state"`
	CreatedAt string `json:"created_at"`
}

// UserPage is the reply of UserList.
type UserPage struct {
	Users []UserLine `json:"users"`
	Next  string     `json:"next"`
}

// TokenArgs are the arguments of the token commands.
type TokenArgs struct {
	Username  string   `json:"username,omitempty"`
	Name      string   `json:"name,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	ExpiresIn string   `json:"expires_in,omitempty"` // a duration; "" = never
	ID        string   `json:"id,omitempty"`
	Reason    string   `json:"reason,omitempty"`
}

// TokenReply is the reply of TokenCreate and TokenService. The secret is shown once.
type TokenReply struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// TokenLine is one token of TokenList.
type TokenLine struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	CreatedAt string   `json:"created_at"`
	LastUsed  string   `json:"last_used"`  // "" = never
	ExpiresAt string   `json:"expires_at"` // "" = never
}

// MigrateLine is one owner's tables.
type MigrateLine struct {
	Owner   string `json:"owner"`
	Version uint   `json:"version"`
	Latest  uint   `json:"latest"`
	Dirty   bool   `json:"dirty"`
}

// LogReply is the reply of the log commands.
type LogReply struct {
	Text string `json:"text"`
}

func (c *command) migrate() *cobra.Command {
	run := func(name string) func(context.Context, []string) error {
		return func(ctx context.Context, _ []string) error {
			var lines []MigrateLine
			if err := c.call(ctx, name, struct{}{}, &lines); err != nil {
				return err
			}
			t := newTable(c.streams.Out)
			t.row("tables", "version", "newest", "state")
			for _, l := range lines {
				state := "up to date"
				if l.Dirty {
					state = "cut off; the next start mends it"
				} else if l.Version < l.Latest {
					state = "behind"
				}
				t.row(l.Owner, fmt.Sprint(l.Version), fmt.Sprint(l.Latest), state)
			}
			return t.flush()
		}
	}
	return group("migrate", "Look after the tables (serve brings them up to date by itself)",
		leaf("status", "Show how far each module's tables are", noArgs, run(MigrateStatus)),
		leaf("up", "Bring all tables up to date", noArgs, run(MigrateUp)))
}

func (c *command) user() *cobra.Command {
	var args UserArgs
	var yes bool
	const asks = "asks for the password, or reads it from standard input"
	add := leaf("add USERNAME", "Make an account, and the site if there is none; "+asks, exactArgs(1),
		func(ctx context.Context, argv []string) (err error) {
			args.Username = argv[0]
			if args.Password, err = c.password(); err != nil {
				return err
			}
			var line UserLine
			return c.tell(ctx, UserAdd, args, &line, func() string { return line.Username + " is made, role " + line.Role })
		})
	add.Flags().StringVar(&args.Role, "role", "user", "user, moderator or admin")
	add.Flags().StringVar(&args.DisplayName, "name", "", "display name")
	reset := leaf("reset-password USERNAME", "Set a new password, end all sessions and tokens, switch webhooks off",
		exactArgs(1), func(ctx context.Context, argv []string) error {
			password, err := c.password()
			if err != nil {
				return err
			}
			return c.tell(ctx, UserResetPassword, UserArgs{Username: argv[0], Password: password, Reason: args.Reason}, nil,
				func() string {
					return "the password of " + argv[0] + " is changed, sessions and tokens are ended, webhooks are off"
				})
		})
	signOut := leaf("sign-out USERNAME", "End all sessions and tokens, switch webhooks off; the password stays",
		exactArgs(1), func(ctx context.Context, argv []string) error {
			return c.tell(ctx, UserSignOut, UserArgs{Username: argv[0], Reason: args.Reason}, nil,
				func() string { return argv[0] + " is signed out everywhere" })
		})
	role := leaf("role USERNAME user|moderator|admin", "Change a role", exactArgs(2),
		func(ctx context.Context, argv []string) error {
			return c.tell(ctx, UserRole, UserArgs{Username: argv[0], Role: argv[1], Reason: args.Reason}, nil,
				func() string { return argv[0] + " is " + argv[1] + " now" })
		})
	remove := leaf("delete USERNAME", "End an account and erase everything of it", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			if !yes {
				return &usageError{errors.New("this cannot be undone; say --yes")}
			}
			return c.tell(ctx, UserDelete, UserArgs{Username: argv[0], Reason: args.Reason}, nil,
				func() string { return argv[0] + " is gone" })
		})
	remove.Flags().BoolVar(&yes, "yes", false, "really")
	suspend := leaf("suspend USERNAME", "Let a person only look at the own account and leave; streams end at once",
		exactArgs(1), func(ctx context.Context, argv []string) error {
			return c.tell(ctx, UserSuspend, UserArgs{Username: argv[0], Reason: args.Reason}, nil,
				func() string { return argv[0] + " is suspended" })
		})
	restore := leaf("restore USERNAME", "End a suspension", exactArgs(1), func(ctx context.Context, argv []string) error {
		return c.tell(ctx, UserRestore, UserArgs{Username: argv[0], Reason: args.Reason}, nil,
			func() string { return argv[0] + " is active again" })
	})
	list := leaf("list", "List accounts", noArgs, c.listUsers)
	reasons(&args.Reason, add, reset, signOut, role, remove, suspend, restore)
	return group("user", "Look after accounts", add, reset, signOut, list, role, suspend, restore, remove)
}

func (c *command) call(ctx context.Context, name string, args, reply any) error {
	return c.program.Call(ctx, c.flags, name, args, reply)
}

// tell makes a call and prints one line about it.
func (c *command) tell(ctx context.Context, name string, args, reply any, line func() string) error {
	if err := c.call(ctx, name, args, reply); err != nil {
		return err
	}
	c.printf("%s\n", line())
	return nil
}

func (c *command) listUsers(ctx context.Context, _ []string) error {
	t := newTable(c.streams.Out)
	t.row("username", "role", "state", "since")
	after := ""
	for {
		var page UserPage
		if err := c.call(ctx, UserList, UserArgs{After: after}, &page); err != nil {
			return err
		}
		for _, u := range page.Users {
			t.row(u.Username, u.Role, u.State, u.CreatedAt)
		}
		if page.Next == "" {
			return t.flush()
		}
		after = page.Next
	}
}

// password asks on a terminal, twice since nobody sees what is typed; else it reads one line.
func (c *command) password() (string, error) {
	p, err := c.streams.Password("Password: ")
	if err == nil {
		switch again, err := c.streams.Password("Again: "); {
		case err != nil:
			return "", fmt.Errorf("password: %w", err)
		case again != p:
			return "", errors.New("the two passwords differ; nothing was changed")
		}
		return p, nil
	}
	line, err := bufio.NewReader(io.LimitReader(c.streams.In, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password from standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func (c *command) token() *cobra.Command {
	var args TokenArgs
	var expires time.Duration
	create := leaf("create USERNAME", "Make a personal token", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			args.Username = argv[0]
			if expires > 0 {
				args.ExpiresIn = expires.String()
			}
			return c.makeToken(ctx, TokenCreate, args)
		})
	create.Flags().StringVar(&args.Name, "name", "command line", "name of the token")
	create.Flags().StringSliceVar(&args.Scopes, "scopes", []string{"read", "events"}, "what it allows")
	create.Flags().DurationVar(&expires, "expires-in", 0, "how long it lasts; 0 = for ever")
	service := leaf("service NAME", "Make a service token, with which a host application pushes notifications",
		exactArgs(1), func(ctx context.Context, argv []string) error {
			return c.makeToken(ctx, TokenService, TokenArgs{Name: argv[0], Reason: args.Reason})
		})
	revoke := leaf("revoke ID", "End a token, a service's or anybody's; its streams end at once", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			return c.tell(ctx, TokenRevoke, TokenArgs{ID: argv[0], Reason: args.Reason}, nil,
				func() string { return argv[0] + " is revoked" })
		})
	list := leaf("list [USERNAME]", "List the tokens of a person, or those of services", mostArgs(1), c.listTokens)
	reasons(&args.Reason, create, service, revoke)
	return group("token", "Look after tokens for programs", create, service, list, revoke)
}

func (c *command) listTokens(ctx context.Context, argv []string) error {
	var args TokenArgs
	if len(argv) > 0 {
		args.Username = argv[0]
	}
	var lines []TokenLine
	if err := c.call(ctx, TokenList, args, &lines); err != nil {
		return err
	}
	t := newTable(c.streams.Out)
	t.row("id", "name", "scopes", "since", "last used", "until")
	for _, l := range lines {
		t.row(l.ID, l.Name, strings.Join(l.Scopes, ","), l.CreatedAt, cmp.Or(l.LastUsed, "never"),
			cmp.Or(l.ExpiresAt, "for ever"))
	}
	return t.flush()
}

func (c *command) makeToken(ctx context.Context, name string, args TokenArgs) error {
	var reply TokenReply
	if err := c.tell(ctx, name, args, &reply, func() string { return reply.Token }); err != nil {
		return err
	}
	fmt.Fprintln(c.streams.Err, "It is shown this once.")
	return nil
}

func (c *command) log() *cobra.Command {
	run := func(name string) func(context.Context, []string) error {
		return func(ctx context.Context, _ []string) error {
			var reply LogReply
			return c.tell(ctx, name, struct{}{}, &reply, func() string { return reply.Text })
		}
	}
	return group("log", "Look after the event log",
		leaf("check", "Check both stores: structure and every record", noArgs, run(LogCheck)),
		leaf("rebuild", "Write the event log anew from the database (the server must be stopped)", noArgs, run(LogRebuild)))
}

// table prints aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer) table { return table{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)} }

func (t table) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }
func (t table) flush() error        { return t.w.Flush() }
