package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
)

// handlers decode a request, call the service once and encode the answer. Lengths and forms are checked by the
// service, so that the command line meets the same rules.
type handlers struct{ users *Service }

type registerInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Cookie    string `header:"Cookie" hidden:"true"`
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

func (h *handlers) register(ctx context.Context, in *registerInput) (*welcomeOutput, error) {
	w, err := h.users.Register(access.WithCookies(ctx, in.Cookie), Registration(in.Body), in.UserAgent)
	if err != nil {
		return nil, err
	}
	return &welcomeOutput{Location: "/v1/users/" + w.User.ID.String(), SetCookie: h.users.SetCookie(w.Secret), Body: w},
		nil
}

type loginInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Cookie    string `header:"Cookie" hidden:"true"`
	Body      struct {
		Login    string `json:"login" doc:"The username."`
		Password string `json:"password" doc:"1 to 256 bytes." writeOnly:"true"`
	}
}

type loginOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      Welcome
}

func (h *handlers) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	w, err := h.users.Login(access.WithCookies(ctx, in.Cookie), in.Body.Login, in.Body.Password, in.UserAgent)
	return &loginOutput{SetCookie: h.users.SetCookie(w.Secret), Body: w}, err
}

type loginTokenInput struct {
	Body struct {
		Login    string `json:"login" doc:"The username."`
		Password string `json:"password" doc:"1 to 256 bytes." writeOnly:"true"`
		access.TokenBody
	}
}

type loginTokenOutput struct {
	Location string `header:"Location"`
	Body     Token
}

func (h *handlers) loginToken(ctx context.Context, in *loginTokenInput) (*loginTokenOutput, error) {
	d, err := in.Body.Draft()
	if err != nil {
		return nil, err
	}
	t, err := h.users.LoginToken(ctx, in.Body.Login, in.Body.Password, d)
	return &loginTokenOutput{Location: "/v1/tokens/" + t.ID.String(), Body: t}, err
}

type passwordInput struct {
	Body struct {
		CurrentPassword string `json:"current_password" writeOnly:"true"`
		NewPassword     string `json:"new_password" doc:"At least 8 characters, at most 256 bytes, none of the common ones." writeOnly:"true"`
		RevokeTokens    *bool  `json:"revoke_tokens" required:"false" doc:"End the personal tokens too; true if absent."`
	}
}

func (h *handlers) changePassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	a := social.ActorFrom(ctx)
	if a.Suspended {
		return nil, access.Suspended()
	}
	revoke := in.Body.RevokeTokens == nil || *in.Body.RevokeTokens
	return nil, h.users.ChangePassword(ctx, a, in.Body.CurrentPassword, in.Body.NewPassword, revoke)
}

type meOutput = social.Answer[Me]

// me answers GET /v1/me, also for a suspended person.
func (h *handlers) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	return social.Answered(h.users.Me(ctx, social.ActorFrom(ctx).UserID))
}

type profileInput struct {
	Body struct {
		DisplayName   Change[string] `json:"display_name" required:"false" doc:"At most 60 characters."`
		Bio           Change[string] `json:"bio" required:"false" doc:"At most 500 characters."`
		AvatarMediaID Change[string] `json:"avatar_media_id" required:"false" doc:"A picture of one's own, ready and not used yet; null = none."`
		Locked        Change[bool]   `json:"locked" required:"false" doc:"Only false yet."`
		Bot           Change[bool]   `json:"bot" required:"false"`
		Locale        Change[string] `json:"locale" required:"false" doc:"BCP 47."`
		TimeZone      Change[string] `json:"time_zone" required:"false" doc:"An IANA name."`
		Email         Change[string] `json:"email" required:"false" doc:"3 to 254 characters; has to be verified anew. Needs current_password."`

		CurrentPassword *string `json:"current_password" required:"false" doc:"Needed with email." writeOnly:"true"`
	}
}

func (h *handlers) updateMe(ctx context.Context, in *profileInput) (*meOutput, error) {
	return social.Answered(h.users.UpdateMe(ctx, social.ActorFrom(ctx), ProfileChange(in.Body)))
}
