package e2e_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// stored is what the store has of what a storm makes. It is read whole, so that checking costs each act a look.
type stored struct {
	posts          map[social.ID]storedPost
	byText         map[string]int // posts
	pushes         map[string]social.ID
	pushed         map[string]int
	follows, likes map[[2]social.ID]bool
}

type storedPost struct {
	author  social.ID
	text    string
	deleted bool
}

func readStored(t testing.TB, db *sql.DB) *stored {
	t.Helper()
	x := &stored{posts: map[social.ID]storedPost{}, byText: map[string]int{}, pushes: map[string]social.ID{},
		pushed:  map[string]int{},
		follows: map[[2]social.ID]bool{}, likes: map[[2]social.ID]bool{}}
	each(t, db, `SELECT id, author_id, text, deleted_at > 0 FROM posts`, func(rows *sql.Rows) error {
		var id social.ID
		var p storedPost
		err := rows.Scan(&id, &p.author, &p.text, &p.deleted)
		x.posts[id] = p
		x.byText[p.text]++
		return err
	})
	each(t, db, `SELECT id, content FROM notifications WHERE type = 'custom'`, func(rows *sql.Rows) error {
		var id social.ID
		var content string
		err := rows.Scan(&id, &content)
		x.pushes[content] = id
		x.pushed[content]++
		return err
	})
	pairs := func(into map[[2]social.ID]bool) func(*sql.Rows) error {
		return func(rows *sql.Rows) error {
			var pair [2]social.ID
			err := rows.Scan(&pair[0], &pair[1])
			into[pair] = true
			return err
		}
	}
	each(t, db, `SELECT follower_id, followed_id FROM follows`, pairs(x.follows))
	each(t, db, `SELECT l.user_id, p.id FROM post_likes l JOIN posts p ON p.key = l.post_key`, pairs(x.likes))
	return x
}

func (x *stored) checkPost(t testing.TB, a act, deleted map[social.ID]bool) {
	t.Helper()
	if n := x.byText[a.text]; n > 1 {
		t.Errorf("%s %q is there %d times", a.kind, a.text, n)
	}
	if !a.answered {
		return
	}
	p, ok := x.posts[idOf(t, a.id)]
	if !ok || p.author != a.who.ID || (!deleted[idOf(t, a.id)] && (p.text != a.text || p.deleted)) {
		t.Errorf("answered %s %s %q: in the store there is %+v", a.kind, a.id, a.text, p)
	}
}

// indexedCopy copies the database as it is now and gives the copy the indexes that the questions here need and the
// program does not.
func indexedCopy(t testing.TB, live *sql.DB) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	c, err := live.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// it writes the copy alone
	for _, q := range []string{`PRAGMA query_only = 0`, `VACUUM INTO '` + path + `'`, `PRAGMA query_only = 1`} {
		if _, err := c.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=synchronous(0)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, index := range []string{`outbox (object_id, type, actor_id)`, `notifications (object_id, type, receiver_id)`,
		`notifications (type, receiver_id, actor_id)`, `posts (root_key)`} {
		if _, err := db.Exec(`CREATE INDEX "of ` + index + `" ON ` + index); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(`ANALYZE`); err != nil {
		t.Fatal(err)
	}
	return db
}
