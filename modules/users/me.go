package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The states of an account.
const (
	StateActive    = "active"
	StateSuspended = "suspended"
)

// Me is a user as they see themselves.
type Me struct {
	social.User
	Email         *string      `json:"email"`
	EmailVerified bool         `json:"email_verified"`
	Role          social.Role  `json:"role" enum:"user,moderator,admin"`
	State         string       `json:"state" enum:"active,suspended,deleting"`
	Locale        string       `json:"locale" doc:"BCP 47."`
	TimeZone      string       `json:"time_zone" doc:"An IANA name."`
	DeletionAt    *social.Time `json:"deletion_at"`

	key int64
}

const (
	viewColumns = `id, username, display_name, avatar, bio, bot, locked, followers_count, following_count, posts_count,
		created_at`
	meColumns = viewColumns + `, email, email_verified, role, state, locale, time_zone, key`
)

// userFields scans viewColumns; the avatar is a file, of which Site.ShownFile makes an address.
func userFields(u *social.User) []any {
	return []any{&u.ID, &u.Username, &u.DisplayName, &u.AvatarURL, &u.Bio, &u.Bot, &u.Locked, &u.FollowersCount,
		&u.FollowingCount, &u.PostsCount, &u.CreatedAt}
}

func (s *Service) scanUser(row storage.Row) (social.User, error) {
	var u social.User
	err := row.Scan(userFields(&u)...)
	u.URL, u.AvatarURL = s.site.UserURL(u.Username), s.site.ShownFile(u.AvatarURL)
	return u, err
}

func (s *Service) scanMe(row storage.Row) (Me, error) {
	var m Me
	err := row.Scan(append(userFields(&m.User), &m.Email, &m.EmailVerified, &m.Role, &m.State, &m.Locale, &m.TimeZone,
		&m.key)...)
	m.URL, m.AvatarURL = s.site.UserURL(m.Username), s.site.ShownFile(m.AvatarURL)
	return m, err
}

// Me gives the person's own view of the account.
func (s *Service) Me(ctx context.Context, id social.ID) (Me, error) {
	var me Me
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		me, err = s.meByID(ctx, q, id)
		return err
	})
	return me, err
}

func (s *Service) meByID(ctx context.Context, q storage.Querier, id social.ID) (Me, error) {
	me, err := s.scanMe(q.QueryRow(ctx, `SELECT `+meColumns+` FROM users WHERE id = $1 AND deleted_at IS NULL`, id))
	return me, social.Wrap(storage.Absent(err), "users: read %s", id)
}
