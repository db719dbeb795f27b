package users

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

func (s *Service) Routes(api huma.API) {
	s.Service.Routes(api)
	h := &handlers{s}
	const created, ok, empty = http.StatusCreated, http.StatusOK, http.StatusNoContent
	add(api, h.register, "auth", "register", "POST", "/v1/auth/register", "Make an account and sign in.",
		created, social.AuthNone, 403, 409, 422, 429, 503)
	add(api, h.login, "auth", "login", "POST", "/v1/auth/login", "Sign in.",
		ok, social.AuthNone, 401, 422, 429, 503)
	add(api, h.loginToken, "auth", "login-token", "POST", "/v1/auth/token",
		"Sign in without a cookie: a personal token for a password, for pages of other origins and native programs.",
		created, social.AuthNone, 401, 403, 409, 422, 429, 503)
	add(api, h.changePassword, "auth", "change-password", "POST", "/v1/auth/password",
		"Set a new password; every other session ends, and every personal token.", empty, social.AuthSession,
		401, 403, 422, 429, 503)
	add(api, h.me, "users", "get-me", "GET", "/v1/me", "The account of the person who asks.",
		ok, social.AuthMe, 401, 403)
	add(api, h.updateMe, "users", "update-me", "PATCH", "/v1/me",
		"Change the account; absent = unchanged, null = cleared.",
		ok, social.AuthScope(social.ScopeWriteAccount), 401, 403, 422, 429, 503)
}

// add registers one operation. The account itself has a strong ETag.
func add[I, O any](api huma.API, handler func(context.Context, *I) (*O, error), tag, id, method, path, summary string,
	status int, who social.Auth, errors ...int) {
	meta := map[string]any{social.MetaAuth: who, social.MetaReserve: tag == "auth" && id != "register",
		social.MetaEvents: map[string]any{social.EventUserDeleted: DeletedData{}}}
	if method == http.MethodGet || method == http.MethodPatch {
		meta[social.MetaETag] = "strong"
	}
	huma.Register(api, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		DefaultStatus: status, Errors: errors, Metadata: meta}, handler)
}

// UnmarshalJSON is called for a field that is there, null too.
func (c *Change[T]) UnmarshalJSON(b []byte) error {
	c.Set = true
	return json.Unmarshal(b, &c.Value)
}

// Schema is the value's own, or null.
func (Change[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[*T]())
}
