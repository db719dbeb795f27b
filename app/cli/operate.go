package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// OperateArgs are the arguments of Invite, PostDelete and Audit; each uses what it needs.
type OperateArgs struct {
	Uses   int    `json:"uses,omitempty"`
	Lasts  string `json:"lasts,omitempty"` // a duration
	ID     string `json:"id,omitempty"`
	After  string `json:"after,omitempty"` // audit: a page cursor
	Reason string `json:"reason,omitempty"`
}

// InviteReply is the reply of Invite. The secret is shown once.
type InviteReply struct {
	Invite string `json:"invite"`
}

// AuditLine is one act of an operator.
type AuditLine struct {
	At       string `json:"at"`
	Operator string `json:"operator"`
	Action   string `json:"action"`
	Person   string `json:"person"`
	Target   string `json:"target"`
	Reason   string `json:"reason"`
}

// AuditPage is the reply of Audit.
type AuditPage struct {
	Lines []AuditLine `json:"lines"`
	Next  string      `json:"next"`
}

// reasons gives commands the flag by which the operator says why.
func reasons(to *string, list ...*cobra.Command) {
	for _, c := range list {
		c.Flags().StringVar(to, "reason", "", "why, for belfry audit; kept as it stands, so name nobody")
	}
}

func (c *command) invite() *cobra.Command {
	var args OperateArgs
	var lasts time.Duration
	cmd := leaf("invite", "Make an invite, with which people may register while registration.mode is invite", noArgs,
		func(ctx context.Context, _ []string) error {
			args.Lasts = lasts.String()
			var reply InviteReply
			if err := c.tell(ctx, Invite, args, &reply, func() string { return reply.Invite }); err != nil {
				return err
			}
			fmt.Fprintln(c.streams.Err, "It is shown this once.")
			return nil
		})
	cmd.Flags().IntVar(&args.Uses, "uses", 1, "how many may register with it")
	cmd.Flags().DurationVar(&lasts, "expires-in", 7*24*time.Hour, "how long it lasts")
	reasons(&args.Reason, cmd)
	return cmd
}

func (c *command) post() *cobra.Command {
	var args OperateArgs
	var yes bool
	remove := leaf("delete ID", "Delete anybody's post or comment", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			if !yes {
				return &usageError{errors.New("this cannot be undone; say --yes")}
			}
			args.ID = argv[0]
			return c.tell(ctx, PostDelete, args, nil, func() string { return argv[0] + " is gone" })
		})
	remove.Flags().BoolVar(&yes, "yes", false, "really")
	reasons(&args.Reason, remove)
	return group("post", "Look after posts", remove)
}

func (c *command) audit() *cobra.Command {
	return leaf("audit", "List what operators have done on the command line, newest first", noArgs,
		func(ctx context.Context, _ []string) error {
			t := newTable(c.streams.Out)
			t.row("time", "operator", "action", "person", "target", "reason")
			after := ""
			for {
				var page AuditPage
				if err := c.call(ctx, Audit, OperateArgs{After: after}, &page); err != nil {
					return err
				}
				for _, l := range page.Lines {
					t.row(l.At, l.Operator, l.Action, l.Person, l.Target, l.Reason)
				}
				if page.Next == "" {
					return t.flush()
				}
				after = page.Next
			}
		})
}
