package access

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func (s *Service) Routes(api huma.API) {
	const created, ok, empty = http.StatusCreated, http.StatusOK, http.StatusNoContent
	add(api, s.postLogout, "logout", "POST", "/v1/auth/logout",
		"Sign out: the session or token that asks ends, and its streams.", empty, social.AuthAny, 401)
	add(api, owned(s.getSessions), "list-sessions", "GET", "/v1/auth/sessions", "The person's sessions.",
		ok, social.AuthSession, 400, 401, 403, 422)
	add(api, owned(s.deleteSession), "delete-session", "DELETE", "/v1/auth/sessions/{id}",
		"End one session and its streams.", empty, social.AuthSession, 401, 403, 404)
	add(api, owned(s.getTokens), "list-tokens", "GET", "/v1/tokens", "The person's tokens, without their secrets.",
		ok, social.AuthSession, 400, 401, 403, 422)
	add(api, owned(s.postToken), "create-token", "POST", "/v1/tokens", "Make a personal token; its secret is shown once.",
		created, social.AuthSession, 401, 403, 409, 422)
	add(api, owned(s.deleteToken), "delete-token", "DELETE", "/v1/tokens/{id}", "Remove a token; its streams end.",
		empty, social.AuthSession, 401, 403, 404)
	add(api, s.postTicket, "create-stream-ticket", "POST", "/v1/stream-tickets",
		"A right to open one stream, for 30 seconds.", created, social.AuthScope(social.ScopeEvents), 401, 403, 422)
}

func add[I, O any](api huma.API, handler func(context.Context, *I) (*O, error), id, method, path, summary string,
	status int, who social.Auth, errors ...int) {
	huma.Register(api, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary,
		Tags: []string{"auth"}, DefaultStatus: status, Errors: errors,
		Metadata: map[string]any{social.MetaAuth: who, social.MetaReserve: id == "logout" || id == "create-stream-ticket"}},
		handler)
}

// Suspended is the fault for a suspended person who asks for more than to look at the account and to leave.
func Suspended() *social.Fault {
	return social.NewFault(social.CodeAccountSuspended, "This account is suspended.")
}

// owned gives a handler the person who asks, and refuses who is suspended.
func owned[I, O any](do func(context.Context, social.Actor, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		a := social.ActorFrom(ctx)
		if a.Suspended {
			return nil, Suspended()
		}
		return do(ctx, a, in)
	}
}

type goneOutput struct {
	SetCookie string `header:"Set-Cookie"`
	ClearData string `header:"Clear-Site-Data" doc:"What the browser has kept of the person's answers goes."`
}

// leave takes the cookie and the private answers in the browser's cache. Not "cookies", which would end sessions of
// other sites of the domain; nor "storage": the page takes away what it kept, but for drafts, which are nobody else's
// loss.
func (o *goneOutput) leave(c Cookie) { o.SetCookie, o.ClearData = c.Clear(), `"cache"` }

// postLogout answers also a suspended person.
func (s *Service) postLogout(ctx context.Context, _ *struct{}) (*goneOutput, error) {
	a := social.ActorFrom(ctx)
	out := &goneOutput{}
	if a.TokenID.IsZero() {
		out.leave(s.cookie)
	}
	return out, s.Logout(ctx, a)
}

type sessionsOutput = social.Answer[social.List[Session]]

func (s *Service) getSessions(ctx context.Context, a social.Actor, in *social.PageQuery) (*sessionsOutput, error) {
	return social.Answered(s.Sessions(ctx, a, *in))
}

// deleteSession takes the cookie of the session that asks for its own end.
func (s *Service) deleteSession(ctx context.Context, a social.Actor, in *social.IDPath) (*goneOutput, error) {
	id := social.PathID(in.ID)
	out := &goneOutput{}
	if id == a.SessionID {
		out.leave(s.cookie)
	}
	return out, s.EndSession(ctx, a, id)
}

type tokensOutput = social.Answer[social.List[Token]]

func (s *Service) getTokens(ctx context.Context, a social.Actor, in *social.PageQuery) (*tokensOutput, error) {
	return social.Answered(s.Tokens(ctx, a, *in))
}

type tokenInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	RawBody []byte
	Body    TokenBody
}

// TokenBody is what is wanted of a new token.
type TokenBody struct {
	Name      string         `json:"name" doc:"1 to 60 characters."`
	Scopes    []social.Scope `json:"scopes" nullable:"false" doc:"read, events, write:posts, write:follows, write:notifications, write:account; with the role moderate, admin, but not for a password."`
	ExpiresAt *string        `json:"expires_at" required:"false" doc:"RFC 3339, in the future; never if absent."`
}

// Draft reads the body.
func (b TokenBody) Draft() (TokenDraft, error) {
	d := TokenDraft{Name: b.Name, Scopes: b.Scopes}
	if b.ExpiresAt == nil {
		return d, nil
	}
	d.ExpiresAt = new(social.Time)
	if err := d.ExpiresAt.UnmarshalText([]byte(*b.ExpiresAt)); err != nil {
		return d, social.Invalid(social.BodyField("/expires_at", social.FieldBadFormat, "A time in RFC 3339."))
	}
	return d, nil
}

func (s *Service) postToken(ctx context.Context, a social.Actor, in *tokenInput) (*social.Created[Token], error) {
	d, err := in.Body.Draft()
	if err != nil {
		return nil, err
	}
	once := storage.NewOnce(a, s.clock.Now(), "POST /v1/tokens", in.Key, in.RawBody)
	t, err := s.IssueToken(ctx, a, d, once)
	return &social.Created[Token]{Location: "/v1/tokens/" + t.ID.String(), Replayed: once.Header(), Body: t}, err
}

func (s *Service) deleteToken(ctx context.Context, a social.Actor, in *social.IDPath) (*struct{}, error) {
	return nil, s.EndToken(ctx, a, social.PathID(in.ID))
}

type ticketInput struct {
	Body *struct{}
}

type ticketOutput struct {
	Location string `header:"Location"`
	Body     Ticket
}

// postTicket has for Location the only route that takes a ticket.
func (s *Service) postTicket(ctx context.Context, _ *ticketInput) (*ticketOutput, error) {
	t, err := s.MakeTicket(ctx, social.ActorFrom(ctx))
	return &ticketOutput{Location: "/v1/events", Body: t}, err
}
