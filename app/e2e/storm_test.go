package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// act is one write that somebody tried, and what became of it.
type act struct {
	kind     string // post, comment, like, unlike, follow, unfollow, delete, push
	who      member
	other    string // the post or the person it was about
	text     string // its own, of a post, comment or push
	key      string // Idempotency-Key
	answered bool   // with 2xx
	id       string // of what was made
}

// storm is many people writing at once.
type storm struct {
	base    string
	people  []member
	service string
	gate    *gate

	mu     sync.Mutex
	posts  []string // that can be liked and answered
	owner  map[string]int
	acts   [][]act // by writer
	unlike bool    // also take likes and follows back, and delete

	answered atomic.Int64
	at       atomic.Int64  // tell when so many are answered
	reached  chan struct{} // then closed
}

func newStorm(base string, people []member, service string, g *gate) *storm {
	return &storm{base: base, people: people, service: service, gate: g, owner: map[string]int{}, acts: make([][]act,
		len(people)), unlike: true, reached: make(chan struct{})}
}

// milestone is closed when n more writes are answered.
func (s *storm) milestone(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = make(chan struct{})
	s.at.Store(s.answered.Load() + int64(n))
	return s.reached
}

func (s *storm) count() {
	if s.answered.Add(1) < s.at.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered.Load() >= s.at.Load() {
		select {
		case <-s.reached:
		default:
			close(s.reached)
		}
	}
}

// write lets one person act until ctx ends or acts are done; 0 = no bound.
func (s *storm) write(ctx context.Context, writer, acts int, rng *rand.Rand) {
	me, host := newCaller(s.base, s.people[writer].Token), newCaller(s.base, s.service)
	defer me.http.CloseIdleConnections()
	defer host.http.CloseIdleConnections()
	failed := false
	liked := map[string]bool{}
	for n := 0; (acts == 0 || n < acts) && s.gate.pass(ctx, failed); n++ {
		a, ok := s.next(writer, n, rng, liked)
		if !ok {
			continue
		}
		for tries := 0; ; tries++ {
			failed = !s.do(me, host, &a)
			// An act that was not answered may have been done or not: sometimes the client tries again.
			if !failed || tries > 20 || rng.IntN(2) == 0 || !s.gate.pass(ctx, true) {
				break
			}
		}
		s.acts[writer] = append(s.acts[writer], a)
	}
}

// next chooses what somebody does.
func (s *storm) next(writer, n int, rng *rand.Rand, liked map[string]bool) (a act, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = act{who: s.people[writer], text: fmt.Sprintf("act %d of %d %x", n, writer, rng.Uint32())}
	a.key = strings.ReplaceAll(a.text, " ", "-")
	other := s.people[rng.IntN(len(s.people))]
	var post string
	if len(s.posts) > 0 {
		post = s.posts[max(0, len(s.posts)-1-rng.IntN(30))]
	}
	switch p := rng.IntN(100); {
	case p < 35 || post == "":
		a.kind = "post"
	case p < 50:
		a.kind, a.other = "comment", post
	case p < 70:
		a.kind, a.other = "like", post
		if a.text = ""; liked[post] {
			return a, false
		}
		liked[post] = true
	case p < 82:
		a.kind, a.other = "push", other.ID.String()
	case p < 92 || !s.unlike:
		a.kind, a.other = "follow", other.ID.String()
	case p < 95:
		a.kind, a.other = "unfollow", other.ID.String()
	case p < 97 && liked[post]:
		a.kind, a.other = "unlike", post
	default:
		a.kind, a.other = "delete", post
		if s.owner[post] != writer {
			return a, false
		}
	}
	return a, other.ID != a.who.ID || a.other != other.ID.String()
}

// do asks once; false when no answer came.
func (s *storm) do(me, host *caller, a *act) bool {
	method, path, c, header := "POST", "/v1/posts", me, []string{"Idempotency-Key: " + a.key}
	var body any
	switch a.kind {
	case "post":
		body = map[string]any{"text": a.text}
	case "comment":
		body = map[string]any{"text": a.text, "reply_to": a.other}
	case "like":
		method, path = "PUT", "/v1/posts/"+a.other+"/like"
	case "unlike":
		method, path = "DELETE", "/v1/posts/"+a.other+"/like"
	case "delete":
		method, path = "DELETE", "/v1/posts/"+a.other
	case "follow":
		method, path = "PUT", "/v1/users/"+a.other+"/follow"
	case "unfollow":
		method, path = "DELETE", "/v1/users/"+a.other+"/follow"
	case "push":
		c, path, body = host, "/v1/notifications", map[string]any{"receiver": a.other, "type": "test", "content": a.text}
	}
	if method != "POST" {
		header = nil
	}
	status, out, err := c.ask(method, path, body, header...)
	if err != nil || status >= 500 {
		return false
	}
	if status < 300 {
		a.answered = true
		s.note(a, out)
		s.count()
	}
	return true
}

// note keeps what an answer tells.
func (s *storm) note(a *act, out []byte) {
	var answer struct {
		ID           string
		Notification struct{ ID string }
	}
	if len(out) > 0 {
		_ = json.Unmarshal(out, &answer) // no id is found by the checks
	}
	if a.id = answer.ID; a.kind == "push" {
		a.id = answer.Notification.ID
	}
	if a.kind == "post" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posts = append(s.posts, a.id)
		for i, p := range s.people {
			if p.ID == a.who.ID {
				s.owner[a.id] = i
			}
		}
	}
}

// all runs one writer for each person, with so many acts each, and waits.
func (s *storm) all(ctx context.Context, acts int, rng *rand.Rand) {
	var work sync.WaitGroup
	for i := range s.people {
		mine := rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
		work.Go(func() { s.write(ctx, i, acts, mine) })
	}
	work.Wait()
}

// end tells each reader that nothing more comes, and waits until all have heard it.
func (s *storm) end(t testing.TB, readers ...*reader) {
	t.Helper()
	host := newCaller(s.base, s.service)
	for _, m := range s.people {
		host.must(t, http.StatusCreated, "POST", "/v1/notifications", map[string]any{"receiver": m.ID.String(),
			"type": "end", "content": "the end"})
	}
	for _, r := range readers {
		await(t, r.done, "a reader's end")
	}
}

// check looks whether everything answered is in the store, once and whole.
func (s *storm) check(t testing.TB, db *sql.DB) {
	t.Helper()
	x := readStored(t, db)
	type state struct{ on, sure bool }
	edges, likes := map[[2]social.ID]state{}, map[[2]social.ID]state{}
	deleted := map[social.ID]bool{}
	for _, list := range s.acts {
		for _, a := range list {
			if a.kind == "delete" {
				deleted[idOf(t, a.other)] = true
			}
		}
	}
	for _, list := range s.acts {
		for _, a := range list {
			switch a.kind {
			case "post", "comment":
				x.checkPost(t, a, deleted)
			case "push":
				if a.answered && x.pushes[a.text] != idOf(t, a.id) {
					t.Errorf("answered push %q is not there", a.text)
				}
				if x.pushed[a.text] > 1 {
					t.Errorf("push %q is there %d times", a.text, x.pushed[a.text])
				}
			case "follow", "unfollow":
				edges[[2]social.ID{a.who.ID, idOf(t, a.other)}] = state{a.kind == "follow", a.answered}
			case "like", "unlike":
				likes[[2]social.ID{a.who.ID, idOf(t, a.other)}] = state{a.kind == "like", a.answered}
			case "delete":
				if a.answered && !x.posts[idOf(t, a.other)].deleted {
					t.Errorf("answered delete of %s: it is there", a.other)
				}
			}
		}
	}
	for pair, is := range edges {
		if is.sure && x.follows[pair] != is.on {
			t.Errorf("follow of %v is there: %v", pair, !is.on)
		}
	}
	for pair, is := range likes {
		if is.sure && !deleted[pair[1]] && x.likes[pair] != is.on {
			t.Errorf("like of %v is there: %v", pair, !is.on)
		}
	}
	checkWhole(t, db)
}

// checkWhole: nothing is there by halves, whether it was answered or not.
func checkWhole(t testing.TB, live *sql.DB) {
	t.Helper()
	db := indexedCopy(t, live)
	none(t, db, "like_count is wrong",
		`SELECT p.id FROM posts p WHERE p.deleted_at = 0 AND p.like_count <> (SELECT COUNT(*) FROM post_likes l
			WHERE l.post_key = p.key)`)
	none(t, db, "comment_count is wrong", `SELECT p.id FROM posts p WHERE p.deleted_at = 0 AND p.reply_to IS NULL
		AND p.comment_count <>
		(SELECT COUNT(*) FROM posts c WHERE c.root_key = p.key AND c.reply_to IS NOT NULL AND c.deleted_at = 0)`)
	none(t, db, "a person's counts are wrong", `SELECT u.username FROM users u WHERE
		u.followers_count <> (SELECT COUNT(*) FROM follows f WHERE f.followed_id = u.id) OR
		u.following_count <> (SELECT COUNT(*) FROM follows f WHERE f.follower_id = u.id) OR
		u.posts_count <> (SELECT COUNT(*) FROM posts p WHERE p.author_id = u.id AND p.reply_to IS NULL AND p.deleted_at = 0)`)
	none(t, db, "a post is not announced, or twice", `SELECT p.id FROM posts p WHERE p.reply_to IS NULL
		AND p.visibility < 2 AND
		1 <> (SELECT COUNT(*) FROM outbox o WHERE o.object_id = p.id AND o.type = 'post.created')`)
	none(t, db, "the end of a post is not announced, or twice", `SELECT p.id FROM posts p WHERE p.reply_to IS NULL
		AND p.visibility < 2 AND
		(p.deleted_at > 0) <> (SELECT COUNT(*) FROM outbox o WHERE o.object_id = p.id AND o.type = 'post.deleted')`)
	none(t, db, "a like has no notification, or two", `SELECT l.user_id FROM post_likes l
		JOIN posts p ON p.key = l.post_key WHERE p.deleted_at = 0 AND l.user_id <> p.author_id AND
		1 <> (SELECT COUNT(*) FROM notifications n WHERE n.type = 'like' AND n.receiver_id = p.author_id
		AND n.actor_id = l.user_id AND n.object_id = p.id AND n.state < 2)`)
	none(t, db, "a like is not announced", `SELECT l.user_id FROM post_likes l JOIN posts p ON p.key = l.post_key
		WHERE p.deleted_at = 0 AND l.user_id <> p.author_id AND
		NOT EXISTS (SELECT 1 FROM outbox o WHERE o.object_id = p.id AND o.actor_id = l.user_id
		AND o.type IN ('notification', 'notification.updated') AND o.data IS NOT NULL)`)
	none(t, db, "a comment has no notification, or two, or is not announced", `SELECT c.id FROM posts c
		WHERE c.reply_to IS NOT NULL AND c.deleted_at = 0 AND c.author_id <> c.root_author_id AND
		(1 <> (SELECT COUNT(*) FROM notifications n WHERE n.type = 'comment' AND n.receiver_id = c.root_author_id
		AND n.object_id = c.id) OR
		 1 <> (SELECT COUNT(*) FROM outbox o WHERE o.object_id = c.id AND o.type = 'notification'))`)
	none(t, db, "a follow does not begin at its own announcement", `SELECT f.follower_id FROM follows f WHERE
		NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = f.since AND o.type = 'follow.changed'
		AND o.actor_id = f.follower_id)`)
	none(t, db, "a follow has no notification, or two", `SELECT f.follower_id FROM follows f WHERE
		1 <> (SELECT COUNT(*) FROM notifications n WHERE n.type = 'follow' AND n.receiver_id = f.followed_id
		AND n.actor_id = f.follower_id AND n.state < 2)`)
	none(t, db, "a pushed notification is not announced, or twice", `SELECT n.content FROM notifications n
		WHERE n.type = 'custom' AND
		1 <> (SELECT COUNT(*) FROM outbox o WHERE o.object_id = n.id AND o.type = 'notification'
		AND substr(o.stream, 2) = n.receiver_id)`)
}

func idOf(t testing.TB, text string) social.ID {
	t.Helper()
	id, err := social.ParseID(text)
	if err != nil {
		t.Fatalf("id %q: %v", text, err)
	}
	return id
}

func countOf(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func one(t testing.TB, db *sql.DB, what, query string, args ...any) {
	t.Helper()
	if n := countOf(t, db, query, args...); n != 1 {
		t.Errorf("%s: there are %d", what, n)
	}
}
