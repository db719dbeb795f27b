package pipeline

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// Endpoint is one person's address in a sender, as its owner sees it.
type Endpoint struct {
	ID             social.ID       `json:"id"`
	Channel        string          `json:"channel"`
	Name           string          `json:"name"`
	Settings       json.RawMessage `json:"settings"`
	Types          []string        `json:"types" doc:"Types of notifications it gets; null = all."`
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
)

// endpoint is a row of endpoints.
type endpoint struct {
	id, owner     social.ID
	key           int64
	channel, name string
	settings      json.RawMessage
	types         string
	secret, old   string
	oldUntil      social.Time
	since         social.Position
	disabled      string
	failingSince  *social.Time
	lastSuccessAt *social.Time
	lastFailureAt *social.Time
	created       social.Time
	updated       social.Time
}

func (e endpoint) view() Endpoint {
	v := Endpoint{ID: e.id, Channel: e.channel, Name: e.name, Settings: e.settings, Enabled: e.disabled == "", State: "active",
		FailingSince: e.failingSince, LastSuccessAt: e.lastSuccessAt, LastFailureAt: e.lastFailureAt, CreatedAt: e.created, UpdatedAt: e.updated}
	if e.types != "" {
		v.Types = strings.Split(e.types, ",")
	}
	switch {
	case e.disabled != "":
		v.State, v.DisabledReason = "disabled", &e.disabled
	case e.failingSince != nil:
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

// typePost is the type of the derived notification "someone you follow posted".
const typePost = "post"

var knownTypes = []string{"like", "comment", "reply", "mention", "follow", "follow_request", "follow_accepted", "repost",
	typePost, "system", "moderation", "custom"}

// packTypes checks a list of types and gives its column. nil is all; an empty list is refused, since such an
// endpoint would get nothing.
func packTypes(types []string) (string, error) {
	if types == nil {
		return "", nil
	}
	if len(types) == 0 {
		return "", social.Invalid(social.BodyField("/types", social.FieldTooShort, "Name at least one type, or leave it out for all."))
	}
	seen := make([]string, 0, len(types))
	for i, t := range types {
		field := func(code social.FieldCode, detail string) error {
			return social.Invalid(social.BodyField("/types/"+strconv.Itoa(i), code, detail))
		}
		switch {
		case slices.Contains(seen, t):
			return "", field(social.FieldDuplicate, "Name each type once.")
		case !slices.Contains(knownTypes, t) && !isCustom(t):
			return "", field(social.FieldBadFormat, "There is no such type of notification.")
		}
		seen = append(seen, t)
	}
	return strings.Join(seen, ","), nil
}

// isCustom reports a type that a host application may push: "custom.<word>".
func isCustom(t string) bool {
	word, ok := strings.CutPrefix(t, "custom.")
	if !ok || word == "" || len(word) > 32 || word[0] < 'a' || word[0] > 'z' {
		return false
	}
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
