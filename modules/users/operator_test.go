package users_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

func TestAdd(t *testing.T) {
	w := open(t, func(c *users.Config) { c.Registration = users.ModeClosed })
	me, err := w.users.Add(t.Context(), "Admin", password, social.RoleAdmin, "")
	if err != nil || me.Username != "admin" || me.DisplayName != "admin" || me.Role != social.RoleAdmin {
		t.Fatalf("added %+v, %v", me, err)
	}
	if len(w.limits.spent) != 0 || w.count(t, "sessions") != 0 {
		t.Errorf("adding spent %v and made %d sessions", w.limits.spent, w.count(t, "sessions"))
	}
	_, err = w.users.Add(t.Context(), "admin", password, social.RoleUser, "")
	wantCode(t, "a name that is taken", err, social.CodeUsernameTaken)
	_, err = w.users.Add(t.Context(), "posts", password, social.RoleUser, "")
	wantCode(t, "the name of a route", err, social.CodeUsernameTaken)
	_, err = w.users.Add(t.Context(), "carol", password, "king", "")
	wantField(t, "no role", err, "/role", social.FieldBadFormat)
	_, err = w.users.Add(t.Context(), "carol", "12345678", social.RoleUser, "")
	wantField(t, "an easy password", err, "/password", social.FieldNotAllowed)
	_, err = w.users.Add(t.Context(), "carol", password, social.RoleUser, "a\x1b[31m")
	wantField(t, "a display name with an escape", err, "/display_name", social.FieldBadFormat)
}

func TestSetRole(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	w.actor(t, welcome)
	for _, role := range []social.Role{social.RoleModerator, social.RoleAdmin, social.RoleUser} {
		if err := w.users.SetRole(t.Context(), "Alice", role); err != nil {
			t.Fatal(err)
		}
		if a := w.actor(t, welcome); a.Role != role {
			t.Errorf("the next request has the role %s, want %s", a.Role, role)
		}
	}
	wantCode(t, "nobody's role", w.users.SetRole(t.Context(), "nobody", social.RoleAdmin), social.CodeNotFound)
}

func TestSuspendAndRestore(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	if err := w.users.Suspend(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	again, err := w.users.Login(t.Context(), "alice", password, "")
	if err != nil || again.User.State != users.StateSuspended {
		t.Errorf("a suspended person signs in: %+v, %v", again.User, err)
	}
	wantCode(t, "what a suspended person may", w.actor(t, again).Need(social.ScopeRead), social.CodeAccountSuspended)
	if err := w.users.Restore(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "restored", w.actor(t, welcome).Need(social.ScopeRead), "")
}

func TestList(t *testing.T) {
	w := open(t)
	names := []string{"alice", "bob", "carol", "dave", "erin"}
	for _, name := range names {
		if _, err := w.users.Add(t.Context(), name, password, social.RoleUser, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.users.Delete(t.Context(), "carol"); err != nil {
		t.Fatal(err)
	}
	var got []string
	q := social.PageQuery{Limit: 3}
	for {
		page, err := w.users.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, me := range page.Items {
			got = append(got, me.Username)
		}
		if page.Next == nil {
			break
		}
		q.Cursor = *page.Next
	}
	if strings.Join(got, " ") != "erin dave bob alice" {
		t.Errorf("listed %v", got)
	}
}

func TestCreateToken(t *testing.T) {
	w := open(t)
	me := w.register(t, "alice").User
	token, err := w.users.CreateToken(t.Context(), "Alice", "program", []social.Scope{social.ScopeEvents}, 0)
	if err != nil || token.Token == nil {
		t.Fatalf("token %+v, %v", token, err)
	}
	if a, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token}); err != nil ||
		a.UserID != me.ID || !a.Allows(social.ScopeEvents) || a.Allows(social.ScopeRead) {
		t.Errorf("the token stands for %+v, %v", a, err)
	}
	if token.ExpiresAt != nil {
		t.Errorf("a token for good ends at %v", token.ExpiresAt)
	}
	short, err := w.users.CreateToken(t.Context(), "alice", "program", []social.Scope{social.ScopeRead}, time.Hour)
	if err != nil || short.ExpiresAt == nil || *short.ExpiresAt != w.Clock.Now().Add(time.Hour) {
		t.Errorf("a token for an hour: %+v, %v", short, err)
	}
	w.register(t, "bob")
	wantCode(t, "revoke a token of somebody else", w.users.RevokeToken(t.Context(), "bob", token.ID), social.CodeNotFound)
	wantCode(t, "revoke", w.users.RevokeToken(t.Context(), "Alice", token.ID), "")
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
	wantCode(t, "the revoked token", err, social.CodeInvalidToken)
	_, err = w.users.CreateToken(t.Context(), "alice", "program", []social.Scope{social.ScopeAdmin}, 0)
	wantField(t, "a scope the role lacks", err, "/scopes/0", social.FieldNotAllowed)
	_, err = w.users.CreateToken(t.Context(), "nobody", "program", []social.Scope{social.ScopeRead}, 0)
	wantCode(t, "nobody's token", err, social.CodeNotFound)
}

func TestDelete(t *testing.T) {
	w := open(t)
	var heard []social.ID
	var position social.Position
	var absent bool
	w.Bus.React(event.On("test: hear of it", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
		refs, err := w.users.Refs(ctx, tx, []social.ID{f.UserID})
		heard, position, absent = append(heard, f.UserID), f.Position, len(refs) == 0
		return err
	}))
	welcome, err := w.users.Register(t.Context(),
		users.Registration{Username: "canary_one", Password: password, DisplayName: new("Canary Two"),
			Email: new("canary@three.example")}, "Canary/4")
	if err != nil {
		t.Fatal(err)
	}
	a := w.actor(t, welcome)
	if _, err := w.users.UpdateMe(t.Context(), a,
		users.ProfileChange{Bio: users.Change[string]{Set: true, Value: new("canary five")}}); err != nil {
		t.Fatal(err)
	}
	once := storage.NewOnce(a, w.Clock.Now(), "POST /v1/tokens", "key", nil)
	token, err := w.users.IssueToken(t.Context(), a,
		users.TokenDraft{Name: "canary six", Scopes: []social.Scope{social.ScopeRead}}, once)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.users.MakeTicket(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	w.DrainOutbox(t)
	w.Advance(time.Minute)
	if err := w.users.Delete(t.Context(), "Canary_One"); err != nil {
		t.Fatal(err)
	}

	if len(heard) != 1 || heard[0] != a.UserID || !absent {
		t.Errorf("the fact was heard by %v, absent then: %v", heard, absent)
	}
	rows := w.Outbox(t)
	if len(rows) != 3 || rows[0].Op != storage.OpErase || rows[0].Actor != a.UserID ||
		rows[1].Type != social.EventAccessRevoked ||
		rows[2].Type != social.EventUserDeleted || position != social.Position(rows[2].ID) {
		t.Errorf("the outbox has %v, want the erasure, and behind it the end of access and of the account, which the "+
			"fact knows at %d", rows, position)
	}
	if dump := strings.ToLower(w.dump(t)); strings.Contains(dump, "canary") || strings.Contains(dump, token.ID.String()) {
		for line := range strings.Lines(dump) {
			if strings.Contains(line, "canary") {
				t.Errorf("left over: %s", line)
			}
		}
	}
	for _, c := range []social.Credentials{{Cookie: welcome.Secret}, {Bearer: *token.Token}} {
		_, err := w.users.Authenticate(t.Context(), c)
		wantCode(t, "authenticate", err, social.CodeInvalidToken)
	}
	for what, err := range map[string]error{
		"me":     second(w.users.Me(t.Context(), a.UserID)),
		"update": second(w.users.UpdateMe(t.Context(), a, users.ProfileChange{})),
		"delete": w.users.Delete(t.Context(), "canary_one"),
		"reset":  w.users.ResetPassword(t.Context(), "canary_one", password),
	} {
		wantCode(t, what, err, social.CodeNotFound)
	}
	wantCode(t, "login", second(w.users.Login(t.Context(), "canary_one", password, "")), social.CodeBadCredentials)
	wantCode(t, "register", second(w.users.Register(t.Context(),
		users.Registration{Username: "canary_one", Password: password}, "")), social.CodeUsernameTaken)
	w.Read(t, func(q storage.Querier) error {
		list, err := w.users.Profiles(t.Context(), q, []social.ID{a.UserID})
		if err != nil || len(list) != 0 {
			t.Errorf("by id: %v, %v", list, err)
		}
		refs, err := w.users.RefsByName(t.Context(), q, []string{"canary_one", a.UserID.String()})
		if err != nil || len(refs) != 0 {
			t.Errorf("by name: %v, %v", refs, err)
		}
		return err
	})
}

func second[T any](_ T, err error) error { return err }

// What a reaction refuses is not half done: the account is there as before.
func TestDeleteUndone(t *testing.T) {
	w := open(t)
	w.Bus.React(event.On("test: refuse", func(context.Context, storage.Tx,
		event.UserDeleted) error {
		return context.DeadlineExceeded
	}))
	welcome := w.register(t, "alice")
	if err := w.users.Delete(t.Context(), "alice"); err == nil {
		t.Fatal("deleted against a refusal")
	}
	w.actor(t, welcome)
	if rows := w.Outbox(t); len(rows) != 0 {
		t.Errorf("announced %v", rows)
	}
}

func TestCounts(t *testing.T) {
	w := open(t)
	alice, bob := w.register(t, "alice").User, w.register(t, "bob").User
	ref := func(m users.Me) social.UserRef { return social.UserRef{ID: m.ID, Username: m.Username} }
	post := event.PostInfo{ID: social.NewID(), Author: ref(alice), Visibility: event.Public}
	comment := event.PostInfo{ID: social.NewID(), Author: ref(bob), ReplyTo: post.ID, Visibility: event.Public}
	emit := func(facts ...event.Fact) {
		t.Helper()
		w.InTx(t, func(tx storage.Tx) error {
			for _, f := range facts {
				if err := w.Bus.Emit(t.Context(), tx, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	want := func(what string, me users.Me, followers, following, posts int64) {
		t.Helper()
		got, err := w.users.Me(t.Context(), me.ID)
		if err != nil || got.FollowersCount != followers || got.FollowingCount != following || got.PostsCount != posts {
			t.Errorf("%s: %s has %d followers, %d followed, %d posts (%v); want %d, %d, %d", what, me.Username,
				got.FollowersCount, got.FollowingCount, got.PostsCount, err, followers, following, posts)
		}
	}
	emit(event.FollowStarted{Follower: ref(bob), Followed: ref(alice)}, event.PostPublished{Post: post},
		event.PostPublished{Post: comment})
	want("followed, posted, commented", alice, 1, 0, 1)
	want("followed, posted, commented", bob, 0, 1, 0)
	emit(event.PostRemoved{Post: post}, event.PostRemoved{Post: comment},
		event.FollowEnded{Follower: bob.ID, Followed: alice.ID})
	want("all taken back", alice, 0, 0, 0)
	want("all taken back", bob, 0, 0, 0)
	emit(event.PostRemoved{Post: post}, event.FollowEnded{Follower: bob.ID, Followed: alice.ID})
	want("taken back once more", alice, 0, 0, 0)
	emit(event.PostPublished{Post: post})
	for _, hidden := range []event.Visibility{event.Followers, event.Mentioned} {
		p := event.PostInfo{ID: social.NewID(), Author: ref(alice), Visibility: hidden}
		emit(event.PostPublished{Post: p})
		want("posted for "+string(hidden), alice, 0, 0, 1)
		emit(event.PostRemoved{Post: p})
		want("deleted what was for "+string(hidden), alice, 0, 0, 1)
	}
	emit(event.PostPublished{Post: post}, event.PostPublished{Post: post},
		event.PostsUncounted{Author: alice.ID, Posts: 2})
	want("two of three were hidden", alice, 0, 0, 1)
	want("taken back once more", bob, 0, 0, 0)
}
