package notifications

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Push is what a host application sends to one person.
type Push struct {
	Receiver string // a user's id, or "@username"
	Type     string // ^[a-z][a-z0-9_]{0,31}$; shown as custom.<type>
	Content  string // 1..2000 characters
	URL      string // "" = none; absolute http or https, or a path from "/"
	Group    string // "" = not grouped; at most 64 characters
	Data     json.RawMessage
}

// Pushed is the answer to a Push. Exactly one of the two is set.
type Pushed struct {
	Notification *Notification `json:"notification" doc:"null when it was dropped."`
	Dropped      *string       `json:"dropped" doc:"The rule by which the receiver does not want it; null when it was made."`
}

// maxData bounds what a host application adds, in bytes without white space.
const maxData = 4 << 10

// Push makes a notification in the name of a host application. Faults: validation_failed, for /receiver when there
// is no such person.
func (s *Service) Push(ctx context.Context, p Push, once *storage.Once) (answer Pushed, err error) {
	data, err := p.check()
	if err != nil {
		return Pushed{}, err
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		answer = Pushed{}
		if done, err := once.Begin(ctx, tx, &answer); err != nil || done {
			return err
		}
		receiver, err := s.receiver(ctx, tx, p.Receiver)
		if err != nil {
			return err
		}
		once.About(receiver)
		r := &row{receiver: receiver, kind: typeCustom, word: p.Type, actors: []byte{}, content: &p.Content, data: data,
			created: s.clock.Now()}
		if p.URL != "" {
			r.url = &p.URL
		}
		if p.Group != "" {
			sum := sha256.Sum256([]byte(p.Type + "\x00" + p.Group))
			r.subject = social.ID(sum[:16])
		}
		if answer.Notification, err = s.add(ctx, tx, r, castOf(nil)); err != nil {
			return err
		}
		return once.Save(ctx, tx, answer)
	})
	return answer, err
}

// System makes a notification in Belfry's own name, inside tx. content is one sentence; url may be "", data nil. An
// unknown receiver gets none, and that is no error.
func (s *Service) System(ctx context.Context, tx storage.Tx, receiver social.ID, content, url string,
	data json.RawMessage) error {
	refs, err := s.Ports.Users.Refs(ctx, tx, []social.ID{receiver})
	if err != nil {
		return fmt.Errorf("notifications: system: %w", err)
	}
	if _, there := refs[receiver]; !there {
		return nil
	}
	r := &row{receiver: receiver, kind: typeSystem, actors: []byte{}, content: &content, created: s.clock.Now()}
	if url != "" {
		r.url = &url
	}
	if data != nil {
		text := string(data)
		r.data = &text
	}
	_, err = s.add(ctx, tx, r, castOf(nil))
	return err
}

// receiver finds the person a Push is for.
func (s *Service) receiver(ctx context.Context, q storage.Querier, name string) (social.ID, error) {
	var ref social.UserRef
	if username, ok := strings.CutPrefix(name, "@"); ok {
		username = strings.ToLower(username)
		refs, err := s.Ports.Users.RefsByName(ctx, q, []string{username})
		if err != nil {
			return social.ID{}, fmt.Errorf("notifications: receiver: %w", err)
		}
		ref = refs[username]
	} else {
		id, err := social.ParseID(name)
		if err != nil {
			return id, social.Invalid(social.BodyField("/receiver", social.FieldBadFormat, "A user's id, or @ and a username."))
		}
		refs, err := s.Ports.Users.Refs(ctx, q, []social.ID{id})
		if err != nil {
			return id, fmt.Errorf("notifications: receiver: %w", err)
		}
		ref = refs[id]
	}
	if ref.ID.IsZero() {
		return ref.ID, social.Invalid(social.BodyField("/receiver", social.FieldNotFound, "No such user."))
	}
	return ref.ID, nil
}

// check gives the data without white space; nil = none.
func (p Push) check() (*string, error) {
	var bad []social.Field
	if !word.MatchString(p.Type) {
		bad = append(bad, social.BodyField("/type", social.FieldBadFormat,
			"A lowercase letter, then up to 31 lowercase letters, digits or underscores."))
	}
	if !social.Visible(p.Content) {
		bad = append(bad, social.BodyField("/content", social.FieldTooShort, "At least 1 character that shows."))
	}
	if p.URL != "" && !isLink(p.URL) {
		bad = append(bad, social.BodyField("/url", social.FieldBadFormat, "An http or https address, or a path from /."))
	}
	var data *string
	if len(p.Data) > 0 && string(p.Data) != "null" {
		var b bytes.Buffer
		switch err := json.Compact(&b, p.Data); {
		case err != nil || b.Bytes()[0] != '{':
			bad = append(bad, social.BodyField("/data", social.FieldWrongType, "An object."))
		case b.Len() > maxData:
			bad = append(bad, social.BodyField("/data", social.FieldTooLarge, "At most 4096 bytes."))
		}
		text := b.String()
		data = &text
	}
	if len(bad) > 0 {
		return nil, social.Invalid(bad...)
	}
	return data, nil
}

// word is what can stand behind "custom.".
var word = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// isLink reports whether s can be shown as a link: it leads to this site or to a web address, never to a script.
func isLink(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	if strings.HasPrefix(s, "/") {
		return true // made absolute with the public URL in front, so "//" stays here too
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}
