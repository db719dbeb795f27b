package server

import (
	"context"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Authenticator resolves credentials to an actor, at most once a request and only if one is set, from many
// goroutines. Unknown, expired or revoked credentials give the fault invalid_token (invalid_ticket for a ticket, which
// one call uses up); any other error is the store's.
type Authenticator interface {
	Authenticate(ctx context.Context, c social.Credentials) (social.Actor, error)
}

// nobody is the Authenticator without a users module: no credential is valid.
type nobody struct{}

func (nobody) Authenticate(_ context.Context, c social.Credentials) (social.Actor, error) {
	if c.Ticket != "" {
		return social.Actor{}, social.NewFault(social.CodeInvalidTicket, "This ticket is not valid.")
	}
	return social.Actor{}, invalidToken()
}

func invalidToken() *social.Fault {
	return social.NewFault(social.CodeInvalidToken, "This session or token is unknown, expired or revoked.")
}

type localKey int

const (
	localActor   localKey = iota // social.Actor, once identify has run
	localProblem                 // *Problem that was answered
	localLabel                   // string: route for log and metrics, where the router's own is not it
	localSpent                   // true, once a budget was spent
	localAway                    // true = there is no place for the connection
)

// identify resolves the actor of a request, once.
func (s *Server) identify(c *fiber.Ctx) (social.Actor, error) {
	if a, ok := c.Locals(localActor).(social.Actor); ok {
		return a, nil
	}
	creds, err := s.credentials(c)
	if err != nil {
		return social.Actor{}, err
	}
	var a social.Actor
	for _, cred := range creds {
		var f *social.Fault
		a, err = s.auth.Authenticate(c.UserContext(), cred)
		if !errors.As(err, &f) || f.Code != social.CodeInvalidToken {
			break // valid, or a trouble that says nothing of it
		}
	}
	if err != nil {
		return social.Actor{}, err
	}
	c.Locals(localActor, a)
	return a, nil
}

// credentials reads what counts: a bearer wins over everything, and a bad one never falls back; then the ticket, for
// the stream of /v1/events only, and it stays good when it is shown elsewhere; then the cookies, of which the first
// valid one counts. Another scheme in Authorization is a proxy's affair and as if absent.
func (s *Server) credentials(c *fiber.Ctx) ([]social.Credentials, error) {
	if secret, ok := bearer(c); ok {
		if secret == "" {
			return nil, invalidToken()
		}
		return []social.Credentials{{Bearer: secret}}, nil
	}
	if head := c.Method() == fiber.MethodHead; (head || c.Method() == fiber.MethodGet) && c.Path() == plugins.EventsPath {
		if ticket := c.Query("ticket"); ticket != "" {
			if plugins.ChooseWay(c.Get(fiber.HeaderAccept)) != plugins.WayStream {
				return nil, social.NewFault(social.CodeInvalidTicket, "A ticket opens a stream: ask for text/event-stream.")
			}
			return []social.Credentials{{Ticket: ticket, Peek: head}}, nil
		}
	}
	return s.sessions(c), nil
}

// bearer is the secret in Authorization; ok = it is of our scheme.
func bearer(c *fiber.Ctx) (secret string, ok bool) {
	scheme, secret, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	return strings.TrimSpace(secret), strings.EqualFold(scheme, "Bearer")
}

// maxSessions is how many cookies of the session's name are looked at. Several come from a parent domain or from
// another path.
const maxSessions = 8

// sessions are the credentials in the cookies of the session's name, in the order in which they came.
func (s *Server) sessions(c *fiber.Ctx) (list []social.Credentials) {
	for name, value := range c.Request().Header.Cookies() {
		if string(name) == s.cookie && len(value) > 0 && len(list) < maxSessions {
			list = append(list, social.Credentials{Cookie: string(value)})
		}
	}
	return list
}

// checkSite refuses cross-site requests with a session cookie: every method that may change something, and event
// streams. Browsers name the origin in Sec-Fetch-Site; older ones, and all of them over plain http, in Origin only. A
// request with neither is not a browser's.
func (s *Server) checkSite(c *fiber.Ctx, events bool) error {
	read := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead
	safe := c.Method() == fiber.MethodOptions || read && !events
	if _, token := bearer(c); safe || token || len(s.sessions(c)) == 0 {
		return nil
	}
	h := &c.Request().Header
	if site := string(h.Peek("Sec-Fetch-Site")); site != "" {
		if site == "same-origin" || site == "none" {
			return nil
		}
	} else if origin := h.Peek(fiber.HeaderOrigin); origin == nil || s.isOwn(string(origin), string(h.Host())) {
		return nil
	}
	return social.NewFault(social.CodeCrossSite, "Requests with a session have to come from this site's own pages.")
}

// isOwn reports whether an Origin header is this site's: the public one or, over http, that of the host that this
// request asks for, which the guard has let pass.
func (s *Server) isOwn(origin, host string) bool {
	return origin == s.origin || (!s.secure && origin == "http://"+strings.ToLower(strings.TrimSuffix(host, ":80")))
}

// authorize applies the rule of an operation to who is asking. nil = go on.
func authorize(rule social.Auth, a social.Actor) error {
	switch rule {
	case social.AuthNone:
		return nil
	case social.AuthOptional:
		if a.IsAnonymous() {
			return nil
		}
		return a.Need(social.ScopeRead)
	case social.AuthSession:
		if !a.IsAnonymous() && (a.SessionID.IsZero() || !a.TokenID.IsZero() || !a.ServiceID.IsZero()) {
			return social.NewFault(social.CodeInsufficientScope, "This needs a session; a token does not allow it.")
		}
		a.Suspended = false
		return a.Need(social.ScopeRead)
	case social.AuthAny:
		if !a.ServiceID.IsZero() {
			return social.NewFault(social.CodeInsufficientScope, "This is for people; a service token does not allow it.")
		}
		if !a.IsAnonymous() {
			return nil
		}
		return a.Need(social.ScopeRead)
	case social.AuthMe:
		a.Suspended = false
		return a.Need(social.ScopeRead)
	}
	scope := social.Scope(rule)
	if !a.IsAnonymous() && !hasRole(a, scope) {
		return social.NotFound() // as any path that is not there for this person
	}
	return a.Need(scope)
}

// hasRole reports whether the actor's role is enough for a scope that asks for one.
func hasRole(a social.Actor, scope social.Scope) bool {
	switch scope {
	case social.ScopeModerate:
		return a.Role == social.RoleModerator || a.Role == social.RoleAdmin
	case social.ScopeAdmin:
		return a.Role == social.RoleAdmin
	}
	return true
}

// actorContext is the context of a request with who is asking in it.
func actorContext(c *fiber.Ctx, a social.Actor) context.Context {
	return social.WithActor(c.UserContext(), a)
}
