package social

// UserRef names a user where only a name is needed. Handlers and event payloads carry it.
type UserRef struct {
	ID          ID      `json:"id"`
	Username    string  `json:"username"`
	DisplayName string  `json:"display_name"`
	AvatarURL   *string `json:"avatar_url"`
}

// User is a user as others see them.
type User struct {
	ID             ID            `json:"id"`
	Username       string        `json:"username"`
	DisplayName    string        `json:"display_name"`
	AvatarURL      *string       `json:"avatar_url"`
	URL            string        `json:"url"`
	Bio            string        `json:"bio"`
	Locked         bool          `json:"locked"`
	Bot            bool          `json:"bot"`
	FollowersCount int64         `json:"followers_count"`
	FollowingCount int64         `json:"following_count"`
	PostsCount     int64         `json:"posts_count"`
	CreatedAt      Time          `json:"created_at"`
	Viewer         *Relationship `json:"viewer" doc:"How the asker stands to this user; null if anonymous or oneself."`
}

// Follow states of a Relationship.
const (
	FollowNone      = "none"
	FollowFollowing = "following"
)

// Mute is how a muted user is hidden.
type Mute struct {
	Scope           string `json:"scope" enum:"all,posts,notifications"`
	KeepRepliesToMe bool   `json:"keep_replies_to_me"`
	ExpiresAt       *Time  `json:"expires_at"`
}

// Relationship is how one user stands to another.
type Relationship struct {
	UserID      ID     `json:"user_id"`
	Follow      string `json:"follow" enum:"none,requested,following"`
	Notify      bool   `json:"notify" doc:"The bell: tell me of new posts."`
	Reposts     bool   `json:"reposts"`
	FollowedBy  bool   `json:"followed_by"`
	RequestedBy bool   `json:"requested_by"`
	Blocking    bool   `json:"blocking"`
	Mute        *Mute  `json:"mute"`
	FollowedAt  *Time  `json:"followed_at"`
}
