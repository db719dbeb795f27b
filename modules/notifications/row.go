package notifications

import (
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The types of notifications. typePost is derived and never stored; typeCustom has a word behind it.
const (
	typeLike    = "like"
	typeComment = "comment"
	typeReply   = "reply"
	typeMention = "mention"
	typeFollow  = "follow"
	typeSystem  = "system"
	typeCustom  = "custom"
	typePost    = "post"
)

// storedTypes are the types that rows can have: lists and counts read each of them by its own range of an index.
var storedTypes = []string{typeLike, typeComment, typeReply, typeMention, typeFollow, typeSystem, typeCustom}

// States of a row. The values are on disk.
const (
	stateInbox     = 0
	stateArchived  = 1
	stateWithdrawn = 2 // shown no more, kept so that the act can be done again
	stateDeleted   = 3 // by the receiver; doing the act again does not bring it back
)

// row is a notification as it is stored, or a derived item in the same form.
type row struct {
	key      int64
	id       social.ID
	receiver social.ID
	kind     string // the type without the word
	word     string // of kind custom
	actor    social.ID
	object   social.ID // the post; for a follow the followed
	subject  social.ID // what its group is about; zero = never grouped

	group   social.ID // id of the row that began the group
	head    bool      // the newest member; the next three hold only there
	members int64
	actors  []byte // the newest three, 16 bytes each
	began   social.Time

	state     int
	withdrawn *social.Time
	seenAt    *social.Time
	readAt    *social.Time
	left      bool // left unread below the watermark
	archived  *social.Time

	content *string
	url     *string
	data    *string
	created social.Time
	updated social.Time

	post *event.PostInfo // of a derived item, else nil
	gone bool            // in lists: what it is about, or who did it, is not there any more
}

const rowColumns = `key, id, receiver_id, type, word, actor_id, object_id, subject, group_id, head, members, actors,
	began_at, state, withdrawn_at, seen_at, read_at, left_unread, archived_at, content, url, data, created_at, updated_at`

// rowScanner scans one row after the other into the same places. A row shares nothing with the next.
func rowScanner() func(storage.Row) (row, error) { return scanRows(false) }

func scanRows(gone bool) func(storage.Row) (row, error) {
	var r row
	into := []any{&r.key, &r.id, &r.receiver, &r.kind, &r.word, &r.actor, &r.object, &r.subject, &r.group, &r.head,
		&r.members, &r.actors, &r.began, &r.state, &r.withdrawn, &r.seenAt, &r.readAt, &r.left, &r.archived, &r.content,
		&r.url, &r.data, &r.created, &r.updated}
	if gone {
		into = append(into, &r.gone)
	}
	return func(from storage.Row) (row, error) {
		err := from.Scan(into...)
		return r, err
	}
}

func rowKey(r row) int64 { return r.key }

// derivedRow is the item "someone you follow posted", without its stored state.
func derivedRow(person social.ID, p *event.PostInfo) row {
	return row{key: p.Key, id: p.ID, receiver: person, kind: typePost, actor: p.Author.ID, object: p.ID, group: p.ID,
		head: true, members: 1, actors: p.Author.ID[:], created: p.CreatedAt, updated: p.CreatedAt, post: p}
}

// typeName is the type as clients see it.
func (r *row) typeName() string {
	if r.word != "" {
		return r.kind + "." + r.word
	}
	return r.kind
}

// speaksForOthers: a group is shown in the name of its other members when the newest is gone, until a job has made one
// of them its head.
func (r *row) speaksForOthers() bool { return r.head && r.members > 1 }

func (r *row) shown() bool { return r.state < stateWithdrawn }

// people are the newest actors of a group's newest member.
func (r *row) people() []social.ID { return storage.UnpackIDs(r.actors) }

// redactable is the object under which everything about a row stands in the outbox: the post; for a follow the
// followed; else the row itself.
func (r *row) redactable() social.ID {
	if !r.object.IsZero() {
		return r.object
	}
	return r.id
}

// watermarks are how far one person has seen and read everything; zero = nothing.
type watermarks struct {
	seenKey int64
	seenAt  *social.Time
	readKey int64
	readAt  *social.Time
}

// seen gives when a row was seen; nil = not yet.
func (w watermarks) seen(r *row) *social.Time {
	if r.seenAt == nil && r.key <= w.seenKey {
		return w.seenAt
	}
	return r.seenAt
}

// read gives when a row was read; nil = not yet.
func (w watermarks) read(r *row) *social.Time {
	if r.readAt == nil && !r.left && r.key <= w.readKey {
		return w.readAt
	}
	return r.readAt
}

// maxActors is how many people of a group are named.
const maxActors = 3
