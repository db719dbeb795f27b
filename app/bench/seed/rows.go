package seed

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// seeder writes a story into the tables of all modules as their services would have, in large transactions.
type seeder struct {
	*story
	db *sqlite.DB
	marks
}

// marks are the numbers given out last.
type marks struct {
	key int64 // order key
	pos int64 // outbox id
}

func (m *marks) nextKey() int64 { m.key++; return m.key }
func (m *marks) nextPos() int64 { m.pos++; return m.pos }

// seedChunk is about how many order keys one transaction gives out.
const seedChunk = 10_000

// act writes the ith of its kind and takes the numbers it needs.
type act func(ctx context.Context, tx storage.Tx, m *marks, i int) error

// run writes everything, in the order of the story.
func (w *seeder) run(ctx context.Context) error {
	services := 0
	if w.plan.Service {
		services = 1
	}
	steps := []struct {
		name  string
		table string // to which rows rows are written
		rows  int
		count int // of acts
		write act
	}{
		{"people", "", 0, w.plan.People, w.person},
		{"service token", "", 0, services, w.service},
		{"follows", "follows", sum(w.fans), w.plan.People, w.followsOf},
		{"threads", "", 0, len(w.threads), w.thread},
		{"pushes", "notifications", sum(w.plan.Pushes), len(w.plan.Pushes), w.pushesTo},
		{"posts", "posts", w.plan.Posts, w.plan.Posts, w.post},
	}
	for _, step := range steps {
		indexes, err := w.dropIndexes(ctx, step.table, step.rows)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		for i := 0; i < step.count; {
			if i, err = w.some(ctx, i, step.count, step.write); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
		if err := w.makeIndexes(ctx, indexes); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return w.finish(ctx)
}

// some writes acts from the one at i on, about a chunk of them, in one transaction, and gives the next.
func (w *seeder) some(ctx context.Context, i, count int, write act) (int, error) {
	var m marks
	next := i
	err := w.db.InTx(ctx, func(tx storage.Tx) error {
		m = w.marks
		for next = i; next < count && m.key-w.key < seedChunk; next++ {
			if err := write(ctx, tx, &m, next); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.marks = m
	}
	return next, err
}

// dropIndexes drops the indexes of a table before many rows are written, and gives their definitions: an index made of
// a full table costs a fraction.
func (w *seeder) dropIndexes(ctx context.Context, table string, rows int) (made []index, err error) {
	if rows < seedChunk {
		return nil, nil
	}
	err = w.db.InTx(ctx, func(tx storage.Tx) error {
		if made, err = indexesOf(ctx, tx, table); err != nil {
			return err
		}
		for _, one := range made {
			if _, err := tx.Exec(ctx, `DROP INDEX `+one.name); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// index is an index that has a definition of its own.
type index struct{ name, text string }

func indexesOf(ctx context.Context, q storage.Querier, table string) ([]index, error) {
	return storage.All(ctx, q, func(r storage.Row) (one index, err error) {
		err = r.Scan(&one.name, &one.text)
		return one, err
	}, `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL
		ORDER BY name`, table)
}

func (w *seeder) makeIndexes(ctx context.Context, list []index) error {
	for _, one := range list {
		err := w.db.InTx(ctx, func(tx storage.Tx) error {
			_, err := tx.Exec(ctx, one.text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// passwordHash has the form of one, and no password is known to be behind it.
func (s *story) passwordHash() string {
	salt, hash := s.noise('s', 0), s.noise('p', 0)
	return "$argon2id$v=19$m=19456,t=2,p=1$" + base64.RawStdEncoding.EncodeToString(salt[:16]) + "$" +
		base64.RawStdEncoding.EncodeToString(hash[:])
}

// seedScopes are all that a person without an office may put into a token.
var seedScopes = []string{string(social.ScopeRead), string(social.ScopeEvents), string(social.ScopeWritePosts),
	string(social.ScopeWriteFollows), string(social.ScopeWriteNotifications), string(social.ScopeWriteAccount)}

// person writes an account and its token.
func (w *seeder) person(ctx context.Context, tx storage.Tx, m *marks, i int) error {
	p, key := &w.people.List[i], m.nextKey()
	_, err := tx.Exec(ctx, `INSERT INTO users (id, key, username, display_name, role, state, locale, time_zone,
		password_hash, followers_count, following_count, posts_count, created_at, found_name)
		VALUES ($1, $2, $3, $3, 'user', $4, $5, $6, $7, $8, $9, $10, $11, $3)`,
		p.ID, key, p.Name, users.StateActive, users.DefaultLocale, users.DefaultTimeZone, w.passwordHash(),
		w.fans[i], len(w.follows[i]), w.posted[i], int64(w.at(key)))
	if err != nil {
		return err
	}
	key = m.nextKey()
	hash := sha256.Sum256([]byte(p.Token))
	_, err = tx.Exec(ctx, `INSERT INTO tokens (id, key, user_id, name, hash, scopes, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		w.id(key), key, p.ID, tokenName, hash[:], strings.Join(seedScopes, " "), int64(w.at(key)))
	return err
}

func (w *seeder) service(ctx context.Context, tx storage.Tx, m *marks, _ int) error {
	key := m.nextKey()
	hash := sha256.Sum256([]byte(w.people.Service))
	_, err := tx.Exec(ctx, `INSERT INTO service_tokens (id, key, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)`,
		w.id(key), key, tokenName, hash[:], int64(w.at(key)))
	return err
}

// followsOf writes everybody whom one person follows, by one statement: a follow takes one order key and two
// positions, of which the first is its since.
func (w *seeder) followsOf(ctx context.Context, tx storage.Tx, m *marks, i int) error {
	list := w.follows[i]
	if len(list) == 0 {
		return nil
	}
	follower, ids := w.people.List[i].ID, make([]byte, 0, 16*len(list))
	for _, other := range list {
		ids = append(ids, w.people.List[other].ID[:]...)
	}
	_, err := tx.Exec(ctx, `INSERT INTO follows (follower_id, followed_id, key, since, bell, reposts, created_at)
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
		SELECT $2, substr($3, 16 * i + 1, 16), $4 + i, $5 + i * 2, 1, 1, $6 + ($4 + i) / $7 FROM n`,
		len(list), follower, ids, m.key+1, m.pos+1, int64(w.began()), keysPerMS)
	if err != nil {
		return err
	}
	m.key, m.pos = m.key+int64(len(list)), m.pos+2*int64(len(list))
	_, err = tx.Exec(ctx, `INSERT INTO follow_marks (follower_id, changed) VALUES ($1, $2)`, follower, m.key)
	return err
}

// thread writes a top-level post and everything below it.
func (w *seeder) thread(ctx context.Context, tx storage.Tx, m *marks, i int) error {
	t := &w.threads[i]
	author := w.people.List[t.author].ID
	top := postRow{key: m.nextKey(), author: author, comments: len(t.replies)}
	top.id = w.id(top.key)
	top.root, top.rootAuthor = place{top.key, top.id}, author
	m.nextPos()
	if err := w.insertPost(ctx, tx, top); err != nil {
		return err
	}
	w.people.Threads = append(w.people.Threads[:i], Post{ID: top.id, Author: t.author})
	replies := make([]postRow, len(t.replies))
	for n, r := range t.replies {
		one := postRow{key: m.nextKey(), author: w.people.List[r.author].ID, root: top.root, rootAuthor: author,
			comments: r.below, to: top.root, toAuthor: author}
		one.id = w.id(one.key)
		if r.to >= 0 {
			one.to, one.toAuthor = place{replies[r.to].key, replies[r.to].id}, replies[r.to].author
		}
		replies[n] = one
		if err := w.reply(ctx, tx, m, one); err != nil {
			return err
		}
	}
	return nil
}

// reply writes a comment, its place, and who is told of it.
func (w *seeder) reply(ctx context.Context, tx storage.Tx, m *marks, r postRow) error {
	if err := w.insertPost(ctx, tx, r); err != nil {
		return err
	}
	if r.to != r.root {
		_, err := tx.Exec(ctx, `INSERT INTO post_ancestors (ancestor_key, post_key)
			SELECT ancestor_key, $1 FROM post_ancestors WHERE post_key = $2 UNION ALL SELECT $2, $1`, r.key, r.to.key)
		if err != nil {
			return err
		}
	}
	if r.rootAuthor != r.author {
		m.nextPos()
		told := notification{key: m.nextKey(), kind: "comment", receiver: r.rootAuthor, actor: r.author, object: r.id}
		if err := w.notify(ctx, tx, told); err != nil {
			return err
		}
	}
	if r.to == r.root || r.toAuthor == r.author || r.toAuthor == r.rootAuthor {
		return nil
	}
	m.nextPos()
	return w.notify(ctx, tx, notification{key: m.nextKey(), kind: "reply", receiver: r.toAuthor, actor: r.author,
		object: r.id})
}

// pushesTo writes everything that a host application has sent to one person.
func (w *seeder) pushesTo(ctx context.Context, tx storage.Tx, m *marks, i int) error {
	for range w.plan.Pushes[i] {
		m.nextPos()
		n := notification{key: m.nextKey(), kind: "custom", word: pushWord, receiver: w.people.List[i].ID}
		text := w.text(n.key)
		n.content = &text
		if err := w.notify(ctx, tx, n); err != nil {
			return err
		}
	}
	return nil
}

// post writes one top-level post.
func (w *seeder) post(ctx context.Context, tx storage.Tx, m *marks, i int) error {
	p := &w.people.Posts[i]
	author := &w.people.List[p.Author]
	r := postRow{key: m.nextKey(), author: author.ID, rootAuthor: author.ID}
	r.id = w.id(r.key)
	r.root = place{r.key, r.id}
	p.ID = r.id
	if err := w.insertPost(ctx, tx, r); err != nil {
		return err
	}
	pos := m.nextPos()
	if !w.plan.Kept {
		return nil
	}
	site := social.Site{PublicURL: w.plan.PublicURL}
	data, err := json.Marshal(posts.Content{ID: r.id, URL: site.PostURL(r.id),
		Author: &social.UserRef{ID: author.ID, Username: author.Name, DisplayName: author.Name},
		Text:   w.text(r.key), RootID: r.id, Visibility: event.Public, CreatedAt: w.at(r.key),
		Media: []social.Media{}, Mentions: []posts.Mention{}, Tags: []posts.Tag{}})
	if err != nil {
		return err
	}
	stream := social.Stream{Kind: social.By, User: author.ID}.Bytes()
	_, err = tx.Exec(ctx, `INSERT INTO outbox (id, op, stream, type, actor_id, object_id, about, time, data)
		VALUES ($1, 1, $2, $3, $4, $5, $4, $6, $7)`,
		pos, stream[:], social.EventPostCreated, author.ID, r.id, int64(w.at(r.key)), data)
	return err
}

// finish writes the counters: the next order key and position follow on those of the story, and what is not kept
// lies below the floor.
func (w *seeder) finish(ctx context.Context) error {
	floor := w.pos
	if w.plan.Kept {
		floor -= int64(w.plan.Posts)
	}
	return w.db.InTx(ctx, func(tx storage.Tx) error {
		for _, step := range []struct {
			text string
			args []any
		}{
			{`UPDATE order_keys SET last = $1`, []any{w.key}},
			{`UPDATE log_state SET floor = $1`, []any{floor}},
			{`DELETE FROM sqlite_sequence WHERE name = 'outbox'`, nil},
			{`INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', $1)`, []any{w.pos}},
		} {
			if _, err := tx.Exec(ctx, step.text, slices.Clone(step.args)...); err != nil {
				return err
			}
		}
		return nil
	})
}

func sum(list []int) (n int) {
	for _, i := range list {
		n += i
	}
	return n
}
