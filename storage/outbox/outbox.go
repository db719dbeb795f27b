package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Announcement is an event on its way: what Announce writes.
type Announcement struct {
	Stream   social.Stream
	Type     string
	Internal bool
	Time     social.Time
	Data     json.RawMessage // the event's data member, encoded before the transaction where possible

	// Actor is who acted; zero = nobody. Erasing that person empties it. The actor is in About too, unless the stream
	// is theirs: that is what the log knows.
	Actor  social.ID
	Object social.ID   // what it is about (the post, for everything about a post); Redact finds it by this
	About  []social.ID // the people it names, actor first; at most social.MaxAbout, duplicates and zeros dropped
}

// Announce writes announcements as part of tx, in the order given. They are announced if and only if tx commits, and
// in the order in which transactions commit.
//
// Services and reactions call it, any number of times in one transaction. Data over storage.MaxPayload gives
// storage.ErrTooLarge and writes nothing; after any other error the transaction has to be given up.
func Announce(ctx context.Context, tx storage.Tx, list ...Announcement) error {
	if err := checkSizes(list); err != nil {
		return err
	}
	if err := tx.OpenEpoch(ctx); err != nil {
		return err
	}
	for _, a := range list {
		if _, err := tx.Exec(ctx, insert, a.args()...); err != nil {
			return fmt.Errorf("outbox: add %s: %w", a.Type, err)
		}
	}
	return nil
}

// Add is Announce for a caller who needs the outbox id of the last announcement, which is provisional until commit; 0
// when there are none. Asking for the id costs the engine half as much again as the row.
func Add(ctx context.Context, tx storage.Tx, list ...Announcement) (int64, error) {
	if len(list) == 0 {
		return 0, nil
	}
	last := list[len(list)-1]
	if err := checkSizes(list); err != nil {
		return 0, err
	}
	if err := Announce(ctx, tx, list[:len(list)-1]...); err != nil { // it opens the epoch
		return 0, err
	}
	var id int64
	err := tx.QueryRow(ctx, insert+` RETURNING id`, last.args()...).Scan(&id)
	return id, social.Wrap(err, "outbox: add %s", last.Type)
}

const insert = `INSERT INTO outbox (op, stream, type, actor_id, object_id, about, internal, time, data)
	VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8)`

func (a Announcement) args() []any {
	stream := a.Stream.Bytes()
	about := storage.PackIDs(social.MaxAbout, a.About...)
	return []any{stream[:], a.Type, a.Actor, a.Object, about, storage.Bit(a.Internal), int64(a.Time), []byte(a.Data)}
}

func checkSizes(list []Announcement) error {
	for _, a := range list {
		if len(a.Data) > storage.MaxPayload {
			return fmt.Errorf("outbox: add %s: %d bytes: %w", a.Type, len(a.Data), storage.ErrTooLarge)
		}
	}
	return nil
}

// RedactPageSize is how many announcements one RedactPage empties at most: some milliseconds of the writer's time.
const RedactPageSize = 1000

// Match says which announcements a Redact means: those about Object, narrowed by every other field that is set.
type Match struct {
	Object social.ID
	Actor  social.ID
	Stream social.Stream // zero = all streams
	Types  []string      // nil = all types
	Before int64         // only those with a lower outbox id; 0 = all that are in the outbox now
}

// Redact empties, in tx, the payloads of the announcements m means that are in the outbox now, and adds the entries
// that empty them in the log, which name what was emptied here. Call it before the announcement of the deletion is
// added. It is repeatable. Where there may be more than a few thousand, RedactPage spares the writer.
func Redact(ctx context.Context, tx storage.Tx, now social.Time, m Match) error {
	for {
		rest, err := RedactPage(ctx, tx, now, m)
		if err != nil || rest == 0 {
			return err
		}
		m.Before = rest
	}
}

// RedactPage is Redact for at most RedactPageSize of the announcements. rest is 0 when none is left; else it is the
// Before of the next page, in a transaction to come: what is announced of the same object meanwhile stays. Whoever
// calls it keeps rest in the same tx, so that a crash between two pages does not end the redaction.
func RedactPage(ctx context.Context, tx storage.Tx, now social.Time, m Match) (rest int64, err error) {
	rest, err = redactPage(ctx, tx, now, m)
	return rest, social.Wrap(err, "outbox: redact %s", m.Object)
}

func redactPage(ctx context.Context, tx storage.Tx, now social.Time, m Match) (rest int64, err error) {
	var emptied redaction
	where, args := m.where()
	args = append(args, RedactPageSize)
	emptied.IDs, err = storage.All(ctx, tx, storage.One[social.Position], fmt.Sprintf(`UPDATE outbox SET data = NULL
		WHERE id IN (SELECT id FROM outbox WHERE op = 1 AND data IS NOT NULL AND %s LIMIT $%d) RETURNING id`,
		where, len(args)), args...)
	if err != nil || len(emptied.IDs) == 0 {
		return 0, err
	}
	data, err := json.Marshal(emptied)
	if err == nil {
		err = tx.OpenEpoch(ctx)
	}
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `INSERT INTO outbox (op, object_id, internal, time, data) VALUES (2, $1, 1, $2, $3)
		RETURNING id`, m.Object, int64(now), data).Scan(&rest)
	switch {
	case err != nil || len(emptied.IDs) < RedactPageSize:
		return 0, err
	case m.Before != 0:
		return m.Before, nil
	}
	return rest, nil
}

// redaction is the data of a redact entry: the outbox ids of what it emptied.
type redaction struct {
	IDs []social.Position `json:"ids"`
}

// Erase adds the entry that makes everything of a person vanish from the log at once. The caller writes the
// person's tombstone in the same tx; emptying the outbox rows follows in pages (Relay's job).
func Erase(ctx context.Context, tx storage.Tx, now social.Time, person social.ID) error {
	err := tx.OpenEpoch(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO outbox (op, actor_id, internal, time) VALUES (3, $1, 1, $2)`, person, int64(now))
	}
	return social.Wrap(err, "outbox: erase %s", person)
}

// where gives the condition on outbox rows. Its text comes from a small set: each part is there or not.
func (m Match) where() (string, []any) {
	text, args := "object_id = $1", []any{m.Object}
	and := func(column string, value any) {
		args = append(args, value)
		text += fmt.Sprintf(" AND %s $%d", column, len(args))
	}
	if !m.Actor.IsZero() {
		and("actor_id =", m.Actor)
	}
	if m.Stream != (social.Stream{}) {
		b := m.Stream.Bytes()
		and("stream =", b[:])
	}
	if m.Before != 0 {
		and("id <", m.Before)
	}
	if len(m.Types) > 0 {
		var marks string
		marks, args = storage.In(args, m.Types)
		text += " AND type IN " + marks
	}
	return text, args
}
