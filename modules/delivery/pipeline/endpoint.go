package pipeline

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Endpoint is one person's address in a sender, as its owner sees it.
type Endpoint struct {
	ID             social.ID       `json:"id"`
	Channel        string          `json:"channel"`
	Name           string          `json:"name"`
	Settings       json.RawMessage `json:"settings"`
	Types          []string        `json:"types" nullable:"true" doc:"Types of notifications it gets; null = all."`
	Enabled        bool            `json:"enabled"`
	State          string          `json:"state" enum:"active,failing,disabled"`
	DisabledReason *string         `json:"disabled_reason" enum:"owner,gone,failing_too_long,admin"`
	FailingSince   *social.Time    `json:"failing_since"`
	LastSuccessAt  *social.Time    `json:"last_success_at"`
	LastFailureAt  *social.Time    `json:"last_failure_at"`
	Secret         *string         `json:"secret" doc:"Only in the answer that made or rotated it."`
	CreatedAt      social.Time     `json:"created_at"`
	UpdatedAt      social.Time     `json:"updated_at"`
}

// Why an endpoint is switched off.
const (
	disabledByOwner = "owner"
	disabledGone    = "gone"
	disabledFailing = "failing_too_long"
	disabledByAdmin = "admin"
)

// endpoint is a row of endpoints. Of the embedded part, view fills what is not a column.
type endpoint struct {
	Endpoint
	owner       social.ID
	key         int64
	types       string // comma list; "" = all
	secret, old string
	oldUntil    social.Time
	since       social.Position // events at or below it are not for this endpoint
	disabled    string          // why it is off; "" = it is on
}

const endpointColumns = `id, key, owner_id, channel, name, settings, types, secret, old_secret, old_secret_until, since,
	disabled, failing_since, last_success_at, last_failure_at, created_at, updated_at`

func scanEndpoint(row storage.Row) (endpoint, error) {
	var e endpoint
	var settings string
	err := row.Scan(&e.ID, &e.key, &e.owner, &e.Channel, &e.Name, &settings, &e.types, &e.secret, &e.old, &e.oldUntil,
		&e.since, &e.disabled, &e.FailingSince, &e.LastSuccessAt, &e.LastFailureAt, &e.CreatedAt, &e.UpdatedAt)
	e.Settings = []byte(settings)
	return e, err
}

// ownEndpoint is one endpoint of a person, the fault NotFound when it is not theirs or not there.
func ownEndpoint(ctx context.Context, q storage.Querier, owner, id social.ID) (endpoint, error) {
	e, err := scanEndpoint(q.QueryRow(ctx, `SELECT `+endpointColumns+` FROM endpoints
		WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL`, id, owner))
	return e, storage.Absent(err)
}

func (e endpoint) view() Endpoint {
	v := e.Endpoint
	v.Enabled, v.State = e.disabled == "", "active"
	if e.types != "" {
		v.Types = strings.Split(e.types, ",")
	}
	switch {
	case e.disabled != "":
		v.State, v.DisabledReason = "disabled", &e.disabled
	case e.FailingSince != nil:
		v.State = "failing"
	}
	return v
}

// secrets are those that sign now, newest first.
func (e endpoint) secrets(now social.Time) []string {
	if e.old != "" && e.oldUntil > now {
		return []string{e.secret, e.old}
	}
	return []string{e.secret}
}

// wants reports whether a notification of this type is for it. "custom" stands for all custom types.
func (e endpoint) wants(kind string) bool {
	if e.types == "" {
		return true
	}
	types := strings.Split(e.types, ",")
	return slices.Contains(types, kind) || strings.HasPrefix(kind, "custom.") && slices.Contains(types, "custom")
}

// wantsPosts is the column that says whether posts are fanned out to it.
func (e endpoint) wantsPosts() int64 { return storage.Bit(e.wants(typePost)) }

// typePost is the type of the derived notification "someone you follow posted".
const typePost = "post"

var knownTypes = []string{"like", "comment", "reply", "mention", "follow", "follow_request", "follow_accepted",
	"repost", typePost, "system", "moderation", "custom"}

// packTypes checks a list of types and gives its column. nil is all; an empty list is refused, since such an
// endpoint would get nothing.
func packTypes(types []string) (string, error) {
	if types != nil && len(types) == 0 {
		return "", social.Invalid(social.BodyField("/types", social.FieldTooShort,
			"Name at least one type, or leave it out for all."))
	}
	for i, t := range types {
		at := "/types/" + strconv.Itoa(i)
		if slices.Contains(types[:i], t) {
			return "", social.Invalid(social.BodyField(at, social.FieldDuplicate, "Name each type once."))
		}
		if !slices.Contains(knownTypes, t) && !isCustom(t) {
			return "", social.Invalid(social.BodyField(at, social.FieldBadFormat,
				"There is no such type of notification."))
		}
	}
	return strings.Join(types, ","), nil
}

// isCustom reports a type that a host application may push: "custom.<word>".
func isCustom(t string) bool {
	word, ok := strings.CutPrefix(t, "custom.")
	if !ok || word == "" || len(word) > 32 || word[0] < 'a' || word[0] > 'z' {
		return false
	}
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
