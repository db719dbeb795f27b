package event

import "github.com/belfry-social/belfry/modules/social"

// Visibility says who may see a post.
type Visibility string

// The visibilities.
const (
	Public    Visibility = "public"
	Followers Visibility = "followers"
	Mentioned Visibility = "mentioned"
)

// Kinds of the object of a notification.
const (
	KindPost    = "post"
	KindComment = "comment"
	KindUser    = "user"
)

// PostInfo is what other modules need to know of a post or a comment.
type PostInfo struct {
	ID           social.ID
	Key          int64 // order key
	Author       social.UserRef
	ReplyTo      social.ID // the post answered; zero for a top-level post
	ReplyAuthor  social.ID // its author
	RootID       social.ID // the top post; the post's own id at top level
	RootAuthor   social.ID
	Visibility   Visibility
	Mentions     []social.ID // people named, without the author; at most 50
	Excerpt      string      // at most 280 code points
	URL          string
	PreviewURL   *string // of its first picture; nil = it has none
	LikeCount    int64
	CommentCount int64
	CreatedAt    social.Time

	// ByFollow is set of what InfoFor gives: the reader sees it because they follow RootAuthor, and only as long as they
	// do.
	ByFollow bool
}

// Kind is KindPost at top level, else KindComment.
func (p PostInfo) Kind() string {
	if p.ReplyTo.IsZero() {
		return KindPost
	}
	return KindComment
}

// PostPublished: a post or a comment was written. Its own event entry stands in the outbox already.
type PostPublished struct{ Post PostInfo }

func (PostPublished) FactName() string { return "post published" }

// PostsUncounted: so many posts of Author were counted for everybody once, though they are not for everybody. It is
// emitted once for each person who wrote such posts before a version that does not count them.
type PostsUncounted struct {
	Author social.ID
	Posts  int64
}

func (PostsUncounted) FactName() string { return "posts uncounted" }

// PostEdited: the author changed a post or a comment, which is Post now. Named are people who were not named in it
// before, Unnamed those who are not any more. Its own event entry stands in the outbox already.
type PostEdited struct {
	Post           PostInfo
	Named, Unnamed []social.ID
	At             social.Time
}

func (PostEdited) FactName() string { return "post edited" }

// AuthorActive: Key is the order key of the newest top-level post for everybody of Author. It is emitted once for each
// person who wrote such a post before a version that tells so by PostPublished.
type AuthorActive struct {
	Author social.ID
	Key    int64
}

func (AuthorActive) FactName() string { return "author active" }

// PostRemoved: a post or a comment was deleted by its author, by an operator or with the account.
type PostRemoved struct {
	Post PostInfo
	At   social.Time
}

func (PostRemoved) FactName() string { return "post removed" }

// PostLiked: Liker likes Post and did not before.
type PostLiked struct {
	Post  PostInfo
	Liker social.UserRef
	At    social.Time
}

func (PostLiked) FactName() string { return "post liked" }

// PostUnliked: a like was taken back.
type PostUnliked struct {
	Post  PostInfo
	Liker social.ID
	At    social.Time
}

func (PostUnliked) FactName() string { return "post unliked" }

// MediaDescribed: what is said about a picture of Post changed. Media is as Take gives it.
type MediaDescribed struct {
	Post  social.ID
	Media social.Media
}

func (MediaDescribed) FactName() string { return "media described" }
