package users

import (
	"context"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// handlers decode a request, call the service once and encode the answer. Lengths and forms are checked by the
// service, so that the command line meets the same rules.
type handlers struct {
	users  *Service
	cookie Cookie
}

type registerInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Username    string  `json:"username" doc:"A letter, then 1 to 29 letters, digits and underscores; upper case is folded."`
		Password    string  `json:"password" doc:"At least 8 characters, at most 256 bytes, none of the common ones." writeOnly:"true"`
		DisplayName *string `json:"display_name" required:"false" doc:"At most 60 characters; the username if absent."`
		Email       *string `json:"email" required:"false" doc:"3 to 254 characters."`
		Locale      *string `json:"locale" required:"false" doc:"BCP 47; en if absent."`
		Invite      *string `json:"invite" required:"false" doc:"Needed where registration is by invite."`
	}
}

type welcomeOutput struct {
	Location  string `header:"Location"`
	SetCookie string `header:"Set-Cookie"`
	Body      Welcome
}

// register answers POST /v1/auth/register.
func (h *handlers) register(ctx context.Context, in *registerInput) (*welcomeOutput, error) {
	w, err := h.users.Register(ctx, Registration{
		Username: in.Body.Username, Password: in.Body.Password, DisplayName: in.Body.DisplayName,
		Email: in.Body.Email, Locale: in.Body.Locale, Invite: in.Body.Invite,
	}, in.UserAgent)
	if err != nil {
		return nil, err
	}
	return &welcomeOutput{Location: "/v1/users/" + w.User.ID.String(), SetCookie: h.setCookie(w), Body: w}, nil
}

type loginInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Login    string `json:"login" doc:"The username."`
		Password string `json:"password" doc:"1 to 256 bytes." writeOnly:"true"`
	}
}

type loginOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      Welcome
}

// login answers POST /v1/auth/login.
func (h *handlers) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	w, err := h.users.Login(ctx, in.Body.Login, in.Body.Password, in.UserAgent)
	if err != nil {
		return nil, err
	}
	return &loginOutput{SetCookie: h.setCookie(w), Body: w}, nil
}

func (h *handlers) setCookie(w Welcome) string { return h.cookie.Set(w.Secret, h.users.cfg.SessionMax) }

type goneOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

// logout answers POST /v1/auth/logout, also for a suspended person.
func (h *handlers) logout(ctx context.Context, _ *struct{}) (*goneOutput, error) {
	if err := h.users.Logout(ctx, social.ActorFrom(ctx)); err != nil {
		return nil, err
	}
	return &goneOutput{SetCookie: h.cookie.Clear()}, nil
}

// owner is the person behind a session who may do more than look and leave.
func owner(ctx context.Context) (social.Actor, error) {
	a := social.ActorFrom(ctx)
	if a.Suspended {
		return a, social.NewFault(social.CodeAccountSuspended, "This account is suspended.")
	}
	return a, nil
}

type passwordInput struct {
	Body struct {
		CurrentPassword string `json:"current_password" writeOnly:"true"`
		NewPassword     string `json:"new_password" doc:"At least 8 characters, at most 256 bytes, none of the common ones." writeOnly:"true"`
		RevokeTokens    *bool  `json:"revoke_tokens" required:"false" doc:"End the personal tokens too; false if absent."`
	}
}

// changePassword answers POST /v1/auth/password.
func (h *handlers) changePassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	revoke := in.Body.RevokeTokens != nil && *in.Body.RevokeTokens
	return nil, h.users.ChangePassword(ctx, a, in.Body.CurrentPassword, in.Body.NewPassword, revoke)
}

type pageInput struct{ social.PageQuery }

type sessionsOutput struct{ Body social.List[Session] }

// listSessions answers GET /v1/auth/sessions.
func (h *handlers) listSessions(ctx context.Context, in *pageInput) (*sessionsOutput, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	page, err := h.users.Sessions(ctx, a, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &sessionsOutput{Body: page}, nil
}

type idInput struct {
	ID string `path:"id"`
}

func (in *idInput) id() (social.ID, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return id, social.NotFound()
	}
	return id, nil
}

// deleteSession answers DELETE /v1/auth/sessions/{id}. The cookie goes with the session that asks.
func (h *handlers) deleteSession(ctx context.Context, in *idInput) (*goneOutput, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if err := h.users.EndSession(ctx, a, id); err != nil {
		return nil, err
	}
	out := &goneOutput{}
	if id == a.SessionID {
		out.SetCookie = h.cookie.Clear()
	}
	return out, nil
}

type tokensOutput struct{ Body social.List[Token] }

// listTokens answers GET /v1/tokens.
func (h *handlers) listTokens(ctx context.Context, in *pageInput) (*tokensOutput, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	page, err := h.users.Tokens(ctx, a, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &tokensOutput{Body: page}, nil
}

type tokenInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	RawBody []byte
	Body    struct {
		Name      string         `json:"name" doc:"1 to 60 characters."`
		Scopes    []social.Scope `json:"scopes" nullable:"false" doc:"read, events, write:posts, write:follows, write:notifications, write:account; with the role moderate, admin."`
		ExpiresAt *string        `json:"expires_at" required:"false" doc:"RFC 3339, in the future; never if absent."`
	}
}

type tokenOutput struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     Token
}

// createToken answers POST /v1/tokens.
func (h *handlers) createToken(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	d := TokenDraft{Name: in.Body.Name, Scopes: in.Body.Scopes}
	if text := in.Body.ExpiresAt; text != nil {
		d.ExpiresAt = new(social.Time)
		if err := d.ExpiresAt.UnmarshalText([]byte(*text)); err != nil {
			return nil, social.Invalid(social.BodyField("/expires_at", social.FieldBadFormat, "A time in RFC 3339."))
		}
	}
	once := storage.NewOnce(a, h.users.now(), "POST /v1/tokens", in.Key, in.RawBody)
	t, err := h.users.IssueToken(ctx, a, d, once)
	if err != nil {
		return nil, err
	}
	out := &tokenOutput{Location: "/v1/tokens/" + t.ID.String(), Body: t}
	if once.Replayed() {
		out.Replayed = "true"
	}
	return out, nil
}

// deleteToken answers DELETE /v1/tokens/{id}.
func (h *handlers) deleteToken(ctx context.Context, in *idInput) (*struct{}, error) {
	a, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	return nil, h.users.EndToken(ctx, a, id)
}

type ticketInput struct {
	Body *struct{}
}

type ticketOutput struct {
	Location string `header:"Location"`
	Body     Ticket
}

// createTicket answers POST /v1/stream-tickets. Its place is the only route that takes it.
func (h *handlers) createTicket(ctx context.Context, _ *ticketInput) (*ticketOutput, error) {
	t, err := h.users.MakeTicket(ctx, social.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	return &ticketOutput{Location: "/v1/events", Body: t}, nil
}

type meOutput struct{ Body Me }

// me answers GET /v1/me, also for a suspended person.
func (h *handlers) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	me, err := h.users.Me(ctx, social.ActorFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return &meOutput{Body: me}, nil
}

type profileInput struct {
	Body struct {
		DisplayName   Change[string] `json:"display_name" required:"false" doc:"At most 60 characters."`
		Bio           Change[string] `json:"bio" required:"false" doc:"At most 500 characters."`
		AvatarMediaID Change[string] `json:"avatar_media_id" required:"false" doc:"Only null yet."`
		Locked        Change[bool]   `json:"locked" required:"false" doc:"Only false yet."`
		Bot           Change[bool]   `json:"bot" required:"false"`
		Locale        Change[string] `json:"locale" required:"false" doc:"BCP 47."`
		TimeZone      Change[string] `json:"time_zone" required:"false" doc:"An IANA name."`
		Email         Change[string] `json:"email" required:"false" doc:"3 to 254 characters; has to be verified anew."`
	}
}

// updateMe answers PATCH /v1/me.
func (h *handlers) updateMe(ctx context.Context, in *profileInput) (*meOutput, error) {
	b := in.Body
	me, err := h.users.UpdateMe(ctx, social.ActorFrom(ctx), ProfileChange{
		DisplayName: b.DisplayName, Bio: b.Bio, AvatarMediaID: b.AvatarMediaID, Locked: b.Locked, Bot: b.Bot,
		Locale: b.Locale, TimeZone: b.TimeZone, Email: b.Email,
	})
	if err != nil {
		return nil, err
	}
	return &meOutput{Body: me}, nil
}

type userOutput struct{ Body social.User }

// user answers GET /v1/users/{id}.
func (h *handlers) user(ctx context.Context, in *idInput) (*userOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	u, err := h.users.User(ctx, social.ActorFrom(ctx).UserID, id)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: u}, nil
}

type nameInput struct {
	Username string `path:"username"`
}

// userByName answers GET /v1/users/by-name/{username}.
func (h *handlers) userByName(ctx context.Context, in *nameInput) (*userOutput, error) {
	u, err := h.users.UserByName(ctx, social.ActorFrom(ctx).UserID, in.Username)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: u}, nil
}

type relationshipsInput struct {
	IDs string `query:"ids" required:"true" doc:"A comma list of 1 to 100 ids."`
}

type relationshipsOutput struct {
	Body struct {
		Items []social.Relationship `json:"items" nullable:"false"`
	}
}

// relationships answers GET /v1/relationships.
func (h *handlers) relationships(ctx context.Context, in *relationshipsInput) (*relationshipsOutput, error) {
	parts := strings.Split(in.IDs, ",")
	if len(parts) > MaxRelationships {
		return nil, social.Invalid(social.QueryField("ids", social.FieldTooMany, "At most "+strconv.Itoa(MaxRelationships)+" ids."))
	}
	ids := make([]social.ID, len(parts))
	for i, part := range parts {
		var err error
		if ids[i], err = social.ParseID(part); err != nil {
			return nil, social.Invalid(social.QueryField("ids", social.FieldBadFormat, "A comma list of ids."))
		}
	}
	list, err := h.users.Relationships(ctx, social.ActorFrom(ctx).UserID, ids)
	if err != nil {
		return nil, err
	}
	out := &relationshipsOutput{}
	out.Body.Items = list
	return out, nil
}
