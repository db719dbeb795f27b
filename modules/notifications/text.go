package notifications

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
)

// phrases say what was done, by type; "%" stands for "post" or "comment".
var phrases = map[string]string{
	typeLike:    "liked your %",
	typeComment: "commented on your post",
	typeReply:   "replied to your comment",
	typeMention: "mentioned you in a %",
	typeFollow:  "followed you",
	typePost:    "posted",
}

// sentence tells the receiver what happened: "Bob liked your post", "Bob and 2 others liked your post". What was
// pushed speaks for itself.
func sentence(r *row, actor *social.UserRef, object *Object, others int64) string {
	phrase, ok := phrases[r.kind]
	if !ok {
		if r.content == nil {
			return ""
		}
		return *r.content
	}
	who := "Someone"
	if actor != nil {
		who = cmp.Or(actor.DisplayName, actor.Username)
	}
	switch {
	case others == 1:
		who += " and 1 other"
	case others > 1:
		who += " and " + strconv.FormatInt(others, 10) + " others"
	}
	noun := event.KindPost
	if object != nil {
		noun = object.Kind
	}
	return who + " " + strings.Replace(phrase, "%", noun, 1)
}
