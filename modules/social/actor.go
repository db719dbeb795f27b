package social

import (
	"context"
	"slices"
)

// Role is what a user may do beyond their own account.
type Role string

// The roles, from least to most.
const (
	RoleUser      Role = "user"
	RoleModerator Role = "moderator"
	RoleAdmin     Role = "admin"
)

// Scope is one right a token can carry.
type Scope string

// The scopes of personal tokens, and ScopeNotifySend, the only one of service tokens.
const (
	ScopeRead               Scope = "read"
	ScopeEvents             Scope = "events"
	ScopeWritePosts         Scope = "write:posts"
	ScopeWriteFollows       Scope = "write:follows"
	ScopeWriteNotifications Scope = "write:notifications"
	ScopeWriteAccount       Scope = "write:account"
	ScopeModerate           Scope = "moderate"
	ScopeAdmin              Scope = "admin"
	ScopeNotifySend         Scope = "notify:send"
)

// Actor is who acts in a request. The zero Actor is anonymous. Exactly one of UserID and ServiceID is set
// otherwise. All strings are copies that outlive the request.
type Actor struct {
	UserID    ID      // the person, for a session or a personal token
	ServiceID ID      // the service token, for a host application
	SessionID ID      // set when a session cookie, or a ticket made by one, was used
	TokenID   ID      // set when a personal token, or a ticket made by one, was used
	Role      Role    // the person's role
	Scopes    []Scope // what a token allows; nil with a session, which allows all its role does
	Suspended bool    // the person may only look at the own account and leave
	ExpiresAt Time    // when the session or token ends; 0 = never
	JoinedAt  Time    // when the person's account was made
}

func (a Actor) IsAnonymous() bool { return a.UserID.IsZero() && a.ServiceID.IsZero() }

// Allows reports whether the actor carries s, ignoring the role.
func (a Actor) Allows(s Scope) bool {
	if a.IsAnonymous() {
		return false
	}
	if !a.ServiceID.IsZero() {
		return s == ScopeNotifySend
	}
	if a.Scopes == nil {
		return s != ScopeNotifySend
	}
	return slices.Contains(a.Scopes, s)
}

// Need returns nil if the actor may do what s stands for, else the fault to answer with: unauthenticated,
// account_suspended or insufficient_scope. The host calls it before a handler, or the handler itself. Roles are not
// looked at.
func (a Actor) Need(s Scope) error {
	switch {
	case a.IsAnonymous():
		return NewFault(CodeUnauthenticated, "Sign in first.")
	case !a.Allows(s):
		return NewFault(CodeInsufficientScope, "This token does not carry the scope "+string(s)+".")
	case a.Suspended:
		return NewFault(CodeAccountSuspended, "This account is suspended.")
	}
	return nil
}

// Credentials are what a request brought. All strings are copies that outlive the request; "" = not given.
type Credentials struct {
	// Bearer is what followed "Bearer " in Authorization. For another scheme, or nothing behind it, the host hands
	// over the header as it is: that is no token.
	Bearer string
	Ticket string // of GET /v1/events only; the host passes it on no other route
	Cookie string // the value of the cookie named by the site
	// Peek looks at a ticket without using it up, for HEAD.
	Peek bool
}

type actorKey struct{}

// WithActor puts a into ctx. The host's middleware calls it once a request.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who acts; the zero Actor when nobody signed in.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

type requestIDKey struct{}

func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestIDFrom returns the request's id, or "" outside a request.
func RequestIDFrom(ctx context.Context) string {
	s, _ := ctx.Value(requestIDKey{}).(string)
	return s
}
