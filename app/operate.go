package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
)

// byOperator makes a command the doing of an account of this machine, with the reason that its arguments give.
func byOperator(ctx context.Context, account string, args json.RawMessage) context.Context {
	var why struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(args, &why) // arguments without a reason, or none at all
	return access.WithOperator(ctx, access.Operator{Account: account, Reason: why.Reason})
}

// account is whose process this is, by the operating system; with sudo also who asked for it. It is as good as the
// account's word: who may use the socket or the directory may write anything there.
func account(environ []string) string {
	name := fmt.Sprintf("uid %d", os.Getuid()) // in a container, say
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	for _, kv := range environ {
		if by, ok := strings.CutPrefix(kv, "SUDO_USER="); ok && by != "" {
			name += " (sudo by " + by + ")"
		}
	}
	return name
}

// operate does the commands on the site that are not about one account or token.
func (c *commands) operate(ctx context.Context, name string, args json.RawMessage) (any, error) {
	var a cli.OperateArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, err
	}
	switch name {
	case cli.Invite:
		lasts, err := time.ParseDuration(a.Lasts)
		if err != nil {
			return nil, err
		}
		secret, err := c.users.CreateInvite(ctx, a.Uses, lasts)
		return cli.InviteReply{Invite: secret}, err
	case cli.PostDelete:
		if c.posts == nil {
			return nil, errors.New("this program has no posts module")
		}
		id, err := social.ParseID(a.ID)
		if err != nil {
			return nil, fmt.Errorf("%q is no id of a post", a.ID)
		}
		err = c.posts.Remove(ctx, id)
		if social.IsFault(err, social.CodeNotFound) {
			err = fmt.Errorf("there is no post or comment %s", id)
		}
		return struct{}{}, err
	default:
		page, err := c.users.AuditList(ctx, social.PageQuery{Limit: 100, Cursor: a.After})
		if err != nil {
			return nil, err
		}
		out := cli.AuditPage{Lines: make([]cli.AuditLine, 0, len(page.Items))}
		for _, l := range page.Items {
			out.Lines = append(out.Lines, cli.AuditLine{At: l.At.String(), Operator: l.Operator, Action: l.Action,
				Person: l.Person, Target: l.Target, Reason: l.Reason})
		}
		if page.Next != nil {
			out.Next = *page.Next
		}
		return out, nil
	}
}
