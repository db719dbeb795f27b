package users

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Routes registers the operations of this module.
func (s *Service) Routes(api huma.API) {
	h := &handlers{users: s, cookie: s.Cookie()}
	auth := func(id, method, path, summary string, status int, who social.Auth, errors ...int) huma.Operation {
		return operation("auth", id, method, path, summary, status, who, errors...)
	}
	user := func(id, method, path, summary string, who social.Auth, errors ...int) huma.Operation {
		return operation("users", id, method, path, summary, http.StatusOK, who, errors...)
	}
	const created, empty = http.StatusCreated, http.StatusNoContent

	huma.Register(api, auth("register", "POST", "/v1/auth/register", "Make an account and sign in.", created, social.AuthNone, 403, 409, 422, 429, 503), h.register)
	huma.Register(api, auth("login", "POST", "/v1/auth/login", "Sign in.", http.StatusOK, social.AuthNone, 401, 422, 429, 503), h.login)
	huma.Register(api, auth("logout", "POST", "/v1/auth/logout", "Sign out; the session's streams end.", empty, social.AuthSession, 401), h.logout)
	huma.Register(api, auth("change-password", "POST", "/v1/auth/password", "Set a new password; every other session ends.", empty, social.AuthSession, 401, 403, 422, 429, 503), h.changePassword)
	huma.Register(api, auth("list-sessions", "GET", "/v1/auth/sessions", "The person's sessions.", http.StatusOK, social.AuthSession, 400, 401, 403, 422), h.listSessions)
	huma.Register(api, auth("delete-session", "DELETE", "/v1/auth/sessions/{id}", "End one session and its streams.", empty, social.AuthSession, 401, 403, 404), h.deleteSession)
	huma.Register(api, auth("list-tokens", "GET", "/v1/tokens", "The person's tokens, without their secrets.", http.StatusOK, social.AuthSession, 400, 401, 403, 422), h.listTokens)
	huma.Register(api, auth("create-token", "POST", "/v1/tokens", "Make a personal token; its secret is shown once.", created, social.AuthSession, 401, 403, 409, 422), h.createToken)
	huma.Register(api, auth("delete-token", "DELETE", "/v1/tokens/{id}", "Remove a token; its streams end.", empty, social.AuthSession, 401, 403, 404), h.deleteToken)
	huma.Register(api, auth("create-stream-ticket", "POST", "/v1/stream-tickets", "A right to open one stream, for 30 seconds.", created, social.AuthScope(social.ScopeEvents), 401, 403, 422), h.createTicket)

	huma.Register(api, tagged(user("get-me", "GET", "/v1/me", "The account of the person who asks.", social.AuthMe, 401, 403)), h.me)
	huma.Register(api, user("update-me", "PATCH", "/v1/me", "Change the account; absent = unchanged, null = cleared.", social.AuthScope(social.ScopeWriteAccount), 401, 403, 422), h.updateMe)
	huma.Register(api, tagged(user("get-user", "GET", "/v1/users/{id}", "A user.", social.AuthOptional, 404)), h.user)
	huma.Register(api, tagged(user("get-user-by-name", "GET", "/v1/users/by-name/{username}", "A user by name, in any case.", social.AuthOptional, 404)), h.userByName)
	huma.Register(api, user("list-relationships", "GET", "/v1/relationships", "How the person stands to others.", social.AuthScope(social.ScopeRead), 401, 403, 422), h.relationships)
}

func operation(tag, id, method, path, summary string, status int, who social.Auth, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		DefaultStatus: status, Errors: errors, Metadata: map[string]any{social.MetaAuth: who},
	}
}

// tagged asks the host for a strong ETag.
func tagged(op huma.Operation) huma.Operation {
	op.Metadata[social.MetaETag] = "strong"
	return op
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
