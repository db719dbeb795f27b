package plugins

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
)

// The vocabulary of events and people, under the names of package modules/social: a channel imports app and
// plugins only.
type (
	ID         = social.ID
	Time       = social.Time
	Clock      = social.Clock
	Actor      = social.Actor
	Position   = social.Position
	Cursor     = social.Cursor
	Epoch      = social.Epoch
	Epochs     = social.Epochs
	Kept       = social.Kept
	StreamKind = social.StreamKind
	Stream     = social.Stream
	Event      = social.Event
	Source     = social.Source
	Audience   = social.Audience
	PostsMode  = social.PostsMode
	EventPage  = social.EventPage
	GapError   = social.GapError
	Fault      = social.Fault
	Code       = social.Code
	Scope      = social.Scope
	Field      = social.Field
	FieldCode  = social.FieldCode
	Secret     = social.Secret
	Size       = social.Size
)

// Constants of the vocabulary.
const (
	To = social.To
	By = social.By

	// The types of events that clients see.
	EventNotification        = social.EventNotification
	EventNotificationUpdated = social.EventNotificationUpdated
	EventNotificationRemoved = social.EventNotificationRemoved
	EventReadState           = social.EventReadState
	EventFollowChanged       = social.EventFollowChanged
	EventPostCreated         = social.EventPostCreated
	EventPostUpdated         = social.EventPostUpdated
	EventPostDeleted         = social.EventPostDeleted
	EventUserDeleted         = social.EventUserDeleted

	// The types of internal entries (Event.Internal).
	EventAudienceChanged = social.EventAudienceChanged
	EventAccessRevoked   = social.EventAccessRevoked
	EventAccessRestored  = social.EventAccessRestored

	PostsNotify = social.PostsNotify
	PostsAll    = social.PostsAll
	PostsNone   = social.PostsNone

	// MetaAuth is the key of huma.Operation.Metadata that says who may ask; ScopeEvents is the scope of streams.
	MetaAuth    = social.MetaAuth
	ScopeEvents = social.ScopeEvents

	CodeValidationFailed = social.CodeValidationFailed
	CodeNotAcceptable    = social.CodeNotAcceptable

	FieldUnknown    = social.FieldUnknown
	FieldRequired   = social.FieldRequired
	FieldWrongType  = social.FieldWrongType
	FieldBadFormat  = social.FieldBadFormat
	FieldTooShort   = social.FieldTooShort
	FieldTooLong    = social.FieldTooLong
	FieldTooSmall   = social.FieldTooSmall
	FieldTooLarge   = social.FieldTooLarge
	FieldTooMany    = social.FieldTooMany
	FieldDuplicate  = social.FieldDuplicate
	FieldNotAllowed = social.FieldNotAllowed
)

// Invalid is the fault of refused fields, at least one: the answer of CheckEndpoint.
func Invalid(fields ...Field) *Fault { return social.Invalid(fields...) }

// BodyField is a refused field of a request's body; pointer is a JSON Pointer ("/settings/url").
func BodyField(pointer string, code FieldCode, detail string) Field {
	return social.BodyField(pointer, code, detail)
}

// NewFault is a fault with one sentence for people.
func NewFault(code Code, detail string) *Fault { return social.NewFault(code, detail) }

// ActorFrom is who makes a request: for a Router's handlers.
func ActorFrom(ctx context.Context) Actor { return social.ActorFrom(ctx) }

// AuthScope is the value of MetaAuth for routes that need a scope.
func AuthScope(s Scope) social.Auth { return social.AuthScope(s) }

func ParseID(text string) (ID, error) { return social.ParseID(text) }

func ParseCursor(text string) (Cursor, error) { return social.ParseCursor(text) }
