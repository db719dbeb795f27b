package server

import (
	"context"
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

// cookieName is the session cookie's name: with https one that only this host can set.
func cookieName(secure bool) string {
	if secure {
		return "__Host-belfry"
	}
	return "belfry"
}

type localKey int

const (
	localActor   localKey = iota // social.Actor, once identify has run
	localProblem                 // *Problem that was answered
	localLabel                   // string: route for log and metrics, where the router's own is not it
	localSpent                   // true, once a budget was spent
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
	if creds != (social.Credentials{}) {
		if a, err = s.auth.Authenticate(c.UserContext(), creds); err != nil {
			return social.Actor{}, err
		}
	}
	c.Locals(localActor, a)
	return a, nil
}

// credentials reads the one credential that counts: Authorization wins over everything, and a bad one never falls
// back; then the ticket, on /v1/events only; then the cookie.
func (s *Server) credentials(c *fiber.Ctx) (social.Credentials, error) {
	if header := c.Request().Header.Peek(fiber.HeaderAuthorization); header != nil {
		scheme, secret, _ := strings.Cut(string(header), " ")
		secret = strings.TrimSpace(secret)
		if !strings.EqualFold(scheme, "Bearer") || secret == "" {
			return social.Credentials{}, invalidToken()
		}
		return social.Credentials{Bearer: secret}, nil
	}
	if head := c.Method() == fiber.MethodHead; (head || c.Method() == fiber.MethodGet) && c.Path() == plugins.EventsPath {
		if ticket := c.Query("ticket"); ticket != "" {
			return social.Credentials{Ticket: ticket, Peek: head}, nil
		}
	}
	return social.Credentials{Cookie: string(c.Request().Header.Cookie(s.cookie))}, nil
}

// checkSite refuses cross-site requests with a session cookie: every method that may change something, and event
// streams. Browsers name the origin in Sec-Fetch-Site, older ones in Origin; a request with neither is not a browser's.
func (s *Server) checkSite(c *fiber.Ctx, events bool) error {
	read := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead
	safe := c.Method() == fiber.MethodOptions || read && !events
	h := &c.Request().Header
	if safe || len(h.Cookie(s.cookie)) == 0 || h.Peek(fiber.HeaderAuthorization) != nil {
		return nil
	}
	if site := string(h.Peek("Sec-Fetch-Site")); site != "" {
		if site == "same-origin" || site == "none" {
			return nil
		}
	} else if origin := h.Peek(fiber.HeaderOrigin); origin == nil || string(origin) == s.origin {
		return nil
	}
	return social.NewFault(social.CodeCrossSite, "Requests with a session have to come from this site's own pages.")
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
