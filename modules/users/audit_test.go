package users_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage"
)

// audited is the audit, oldest first: action, person, target, reason.
func (w *world) audited(t *testing.T) (out []string) {
	t.Helper()
	for q := (social.PageQuery{Limit: 2}); ; {
		page, err := w.users.AuditList(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Items {
			if a.Operator != "root (sudo by alice)" || a.At != w.Clock.Now() {
				t.Errorf("%+v is of another operator or time", a)
			}
			out = append([]string{strings.Join([]string{a.Action, a.Person, a.Target, a.Reason}, "|")}, out...)
		}
		if page.Next == nil {
			return out
		}
		q.Cursor = *page.Next
	}
}

func operator(ctx context.Context, reason string) context.Context {
	return access.WithOperator(ctx, access.Operator{Account: "root (sudo by alice)", Reason: reason})
}

// Whatever an operator does leaves a row, and nothing that others do does.
func TestAudit(t *testing.T) {
	w := open(t)
	ctx := operator(t.Context(), "why not")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mal := w.register(t, "mal").User
	must(w.users.Suspend(t.Context(), "mal"))
	must(w.users.Restore(t.Context(), "mal"))
	if n := w.count(t, "audit"); n != 0 {
		t.Errorf("%d rows without an operator", n)
	}
	added, err := w.users.Add(ctx, "bob", password, social.RoleModerator, "")
	must(err)
	must(w.users.Suspend(ctx, "mal"))
	must(w.users.Restore(operator(t.Context(), ""), "mal"))
	must(w.users.SetRole(ctx, "mal", social.RoleAdmin))
	must(w.users.ResetPassword(ctx, "mal", password+"!"))
	_, err = w.users.CreateInvite(ctx, 3, time.Hour)
	must(err)
	token, err := w.users.CreateToken(ctx, "bob", "program", []social.Scope{social.ScopeRead, social.ScopeEvents}, 0)
	must(err)
	must(w.users.RevokeToken(ctx, "bob", token.ID))
	_, service, err := w.users.CreateService(ctx, "shop")
	must(err)
	must(w.users.EndAnyToken(ctx, service))
	again, err := w.users.CreateToken(ctx, "bob", "program", []social.Scope{social.ScopeRead}, 0)
	must(err)
	must(w.users.EndAnyToken(ctx, again.ID))
	must(w.users.SignOut(ctx, "bob"))
	post := social.NewID()
	w.InTx(t, func(tx storage.Tx) error {
		return w.Bus.Emit(ctx, tx, event.PostRemoved{Post: event.PostInfo{ID: post, Author: social.UserRef{ID: added.ID}}})
	})
	must(w.users.Delete(ctx, "mal"))
	id := mal.ID.String()
	want := []string{"user add|bob|role moderator|why not", "user suspend|" + id + "||why not",
		"user restore|" + id + "||", "user role|" + id + "|role admin|why not", "user reset-password|" + id + "||why not",
		"invite||uses 3, until " + w.Clock.Now().Add(time.Hour).String() + "|why not",
		"token create|bob|" + token.ID.String() + " read events|why not",
		"token delete|bob|" + token.ID.String() + "|why not",
		"token service||" + service.String() + "|why not", "token revoke||" + service.String() + "|why not",
		"token create|bob|" + again.ID.String() + " read|why not", "token revoke|bob|" + again.ID.String() + "|why not",
		"user sign-out|bob||why not", "post delete|bob|" + post.String() + "|why not",
		"user delete|" + id + "||why not"}
	if got := w.audited(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The row and the act are one: a reason that cannot be kept undoes the act, and an act that fails leaves no row.
func TestAuditIsOneWithTheAct(t *testing.T) {
	w := open(t)
	mal := w.register(t, "mal")
	for reason, code := range map[string]social.FieldCode{"two\nlines": social.FieldBadFormat,
		"\x1b[31mred": social.FieldBadFormat, "\xff": social.FieldBadFormat, strings.Repeat("ä", 501): social.FieldTooLong} {
		wantField(t, "reason", w.users.Suspend(operator(t.Context(), reason), "mal"), "/reason", code)
	}
	wantCode(t, "not suspended", w.actor(t, mal).Need(social.ScopeRead), "")
	ctx := operator(t.Context(), strings.Repeat("ä", 500))
	wantCode(t, "nobody", w.users.Suspend(ctx, "nobody"), social.CodeNotFound)
	wantCode(t, "not suspended", w.users.Restore(ctx, "mal"), social.CodeInvalidState)
	if n := w.count(t, "audit"); n != 0 {
		t.Errorf("%d rows of acts that failed", n)
	}
	wantCode(t, "suspend", w.users.Suspend(ctx, "mal"), "")
	wantCode(t, "suspended", w.users.Suspend(ctx, "mal"), social.CodeInvalidState)
	if n := w.count(t, "audit"); n != 1 {
		t.Errorf("%d rows of one act", n)
	}
}
