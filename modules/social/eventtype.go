package social

// The types of events that clients see. The set is closed; a channel may rely on it.
const (
	EventNotification        = "notification"
	EventNotificationUpdated = "notification.updated"
	EventNotificationRemoved = "notification.removed"
	EventReadState           = "read_state"
	EventFollowChanged       = "follow.changed"
	EventPostCreated         = "post.created"
	EventPostUpdated         = "post.updated"
	EventPostDeleted         = "post.deleted"
	EventUserDeleted         = "user.deleted"
)

// The types of internal entries. No client sees them.
const (
	EventAudienceChanged = "audience.changed" // data {"other": id}: read that one relation again
	EventAccessRevoked   = "access.revoked"   // data AccessRevokedData: close streams
	EventAccessRestored  = "access.restored"  // data {}: a suspension is over, the same sessions may open streams again
)

// AccessRevokedData says which streams of the person in whose to: stream it stands have to end. With all three
// empty, every one of them.
type AccessRevokedData struct {
	SessionID *string `json:"session_id,omitempty"`
	TokenID   *string `json:"token_id,omitempty"`
	// KeepSessionID ends all but this session's (a password change).
	KeepSessionID *string `json:"keep_session_id,omitempty"`
	// KeepTokens spares streams of personal tokens.
	KeepTokens bool `json:"keep_tokens,omitempty"`
}
