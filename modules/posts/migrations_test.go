package posts_test

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// firstMigration is the tables of posts as they were at first.
func firstMigration(t *testing.T) storage.Migrations {
	m, first := posts.Migrations, fstest.MapFS{}
	err := fs.WalkDir(m.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/0001_") {
			return err
		}
		data, err := fs.ReadFile(m.FS, path)
		first[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m.FS = first
	return m
}

// TestAudiencesOfOldPosts: what was written before the indexes by audience finds its places in them, and the counts of
// people forget what was not for everybody.
func TestAudiencesOfOldPosts(t *testing.T) {
	f := moduletest.Open(t, firstMigration(t))
	alice, bob, ctx := social.NewID(), social.NewID(), t.Context()
	exec := func(query string, args ...any) {
		t.Helper()
		f.InTx(t, func(tx storage.Tx) error { _, err := tx.Exec(ctx, query, args...); return err })
	}
	post := func(key, root int64, visibility int, gone bool) {
		t.Helper()
		var to any
		if root != key {
			to = alice
		}
		exec(`INSERT INTO posts (key, id, author_id, root_key, root_id, root_author_id, reply_to, reply_author_id, visibility,
			text, sensitive, deleted_at, changed, created_at) VALUES ($1, $2, $3, $4, $2, $3, $5, $5, $6, '', 0, $7, $1, 0)`,
			key, social.NewID(), alice, root, to, visibility, storage.Bit(gone))
	}
	for key, visibility := range []int{0, 1, 2, 1} { // the last one is deleted
		post(int64(key+1), int64(key+1), visibility, key == 3)
		exec(`INSERT INTO post_mentions (post_key, user_id, addressed) VALUES ($1, $2, $3)`, key+1, bob, visibility == 2)
	}
	for key := int64(5); key < 8; key++ { // a comment and two below it, one of which is deleted
		post(key, 1, 0, key == 7)
	}
	exec(`INSERT INTO post_ancestors (ancestor_key, post_key) VALUES (5, 6), (5, 7)`)
	exec(`UPDATE posts SET tags = '[{"tag":"bell","start":0,"end":5},{"tag":"bell","start":6,"end":11}]' WHERE key <> 5`)
	if err := f.DB.Migrate(ctx, posts.Migrations); err != nil {
		t.Fatal(err)
	}
	keys := func(query string, args ...any) (got []int64) {
		f.Read(t, func(q storage.Querier) (err error) {
			got, err = storage.All(ctx, q, storage.One[int64], query, args...)
			return err
		})
		return got
	}
	if got := keys(`SELECT post_key FROM post_mentions WHERE user_id = $1 AND author_id = $2 ORDER BY post_key`, bob,
		alice); !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("posts for bob: %v, want 2 and 3", got)
	}
	if got := keys(`SELECT post_key FROM post_tags WHERE tag = 'bell'`); !slices.Equal(got, []int64{1, 6}) {
		t.Errorf("under the tag: %v, want what is for everybody and stands, 1 and 6", got)
	}
	if got := keys(`SELECT post_key FROM post_ancestors`); !slices.Equal(got, []int64{6}) {
		t.Errorf("below the comment: %v, want 6", got)
	}
	var told []event.PostsUncounted
	f.Bus.React(event.On("test", func(_ context.Context, _ storage.Tx, fact event.PostsUncounted) error {
		told = append(told, fact)
		return nil
	}))
	s := posts.New(posts.DefaultConfig(), social.Site{}, f.DB, f.Bus, f.Clock, f.Pages)
	for _, j := range s.Jobs() {
		if j.Name != "posts: recount" {
			continue
		}
		for more := true; more; {
			var err error
			if more, err = j.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := (event.PostsUncounted{Author: alice, Posts: 2}); !slices.Equal(told, []event.PostsUncounted{want}) {
		t.Errorf("told %v, want %v", told, want)
	}
}
