package follows_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var no = false

// What is answered, announced and told, step by step.
func TestFollow(t *testing.T) {
	s := open(t, "alice", "bob")
	for i, step := range []struct {
		do      string
		wishes  follows.Wishes
		follow  string
		bell    bool
		reposts bool
		told    []string // whose stream got a follow.changed
		fact    string
	}{
		{"unfollow", follows.Wishes{}, "none", false, false, nil, ""},
		{"follow", follows.Wishes{}, "following", true, true, []string{"bob", "alice"}, "follow started"},
		{"follow", follows.Wishes{}, "following", true, true, nil, ""},
		{"follow", follows.Wishes{Bell: &no}, "following", false, true, []string{"bob"}, ""},
		{"follow", follows.Wishes{}, "following", false, true, nil, ""},
		{"follow", follows.Wishes{Bell: &no, Reposts: &no}, "following", false, false, []string{"bob"}, ""},
		{"unfollow", follows.Wishes{}, "none", false, false, []string{"bob", "alice"}, "follow ended"},
		{"unfollow", follows.Wishes{}, "none", false, false, nil, ""},
		{"follow", follows.Wishes{Bell: &no}, "following", false, true, []string{"bob", "alice"}, "follow started"},
	} {
		var r social.Relationship
		if step.do == "follow" {
			r = s.follow(t, "bob", "alice", step.wishes)
		} else {
			r = s.unfollow(t, "bob", "alice")
		}
		if r.UserID != s.id("alice") || r.Follow != step.follow || r.Notify != step.bell || r.Reposts != step.reposts ||
			(r.FollowedAt != nil) != (step.follow == "following") {
			t.Errorf("step %d: answered %+v", i, r)
		}
		var told []string
		for _, row := range s.DrainOutbox(t) {
			told = append(told, s.users.name(row.Stream.User))
			if row.Stream.Kind != social.To || row.Type != social.EventFollowChanged || row.Actor != s.id("bob") ||
				!slices.Equal(row.About, []social.ID{s.id("bob"), s.id("alice")}) {
				t.Errorf("step %d: announced %+v", i, row)
			}
			var got social.Relationship
			row.Decode(t, &got)
			if row.Stream.User == s.id("alice") && (got.UserID != s.id("bob") ||
				got.FollowedBy != (step.follow == "following") || got.Follow != "none") {
				t.Errorf("step %d: alice is told %+v", i, got)
			}
			if row.Stream.User == s.id("bob") && fmt.Sprint(got.Follow, got.Notify, got.UserID) != fmt.Sprint(r.Follow,
				r.Notify, r.UserID) {
				t.Errorf("step %d: bob is told %+v, answered %+v", i, got, r)
			}
		}
		if !slices.Equal(told, step.told) {
			t.Errorf("step %d: told %v, want %v", i, told, step.told)
		}
		list := s.drain()
		if step.fact == "" && len(list) != 0 || step.fact != "" && (len(list) != 1 || list[0].FactName() != step.fact) {
			t.Errorf("step %d: facts %v, want %q", i, list, step.fact)
		}
	}
}

func TestFollowChangedGolden(t *testing.T) {
	s := open(t, "alice", "bob")
	s.follow(t, "alice", "bob", follows.Wishes{})
	s.DrainOutbox(t)
	s.follow(t, "bob", "alice", follows.Wishes{Bell: &no})
	rows := s.Outbox(t)
	names := map[string]string{s.id("alice").String(): "alice", s.id("bob").String(): "bob"}
	golden(t, "follow.changed.json", string(rows[0].Data)+"\n"+string(rows[1].Data), names)
}

// I28: the moment of a follow is its own announcement, of the latest follow.
func TestSince(t *testing.T) {
	s := open(t, "alice", "bob")
	edge := func() (e social.FollowEdge) {
		s.Read(t, func(q storage.Querier) error {
			var ok bool
			var err error
			if e, ok, err = s.Edge(t.Context(), q, s.id("bob"), s.id("alice")); !ok {
				t.Error("no edge")
			}
			return err
		})
		return e
	}
	s.follow(t, "bob", "alice", follows.Wishes{})
	first := edge()
	if own := s.Announced(t, social.Stream{Kind: social.To,
		User: s.id("bob")}); first.Since != social.Position(own[0].ID) || first.SinceKey == 0 ||
		first.User != s.id("alice") || !first.Bell {
		t.Errorf("edge %+v, announced as %d", first, own[0].ID)
	}
	s.follow(t, "bob", "alice", follows.Wishes{Bell: &no})
	if e := edge(); e.Since != first.Since || e.SinceKey != first.SinceKey || e.Bell {
		t.Errorf("the bell moved the moment: %+v, was %+v", e, first)
	}
	s.unfollow(t, "bob", "alice")
	s.follow(t, "bob", "alice", follows.Wishes{})
	own := s.Announced(t, social.Stream{Kind: social.To, User: s.id("bob")})
	if e := edge(); e.Since != social.Position(own[len(own)-1].ID) || e.SinceKey <= first.SinceKey {
		t.Errorf("after a new follow: %+v, announced as %d", e, own[len(own)-1].ID)
	}
}

func TestRefusals(t *testing.T) { // H29, as far as blocks are not there yet
	cfg := follows.DefaultConfig()
	cfg.MaxFollowing = 2
	s := openWith(t, cfg, "alice", "bob", "carl", "dora")
	_, err := s.Follow(t.Context(), s.actor("alice"), s.id("alice"), follows.Wishes{})
	wantFault(t, err, social.CodeSelfTarget)
	_, err = s.Unfollow(t.Context(), s.actor("alice"), s.id("alice"))
	wantFault(t, err, social.CodeSelfTarget)
	_, err = s.Follow(t.Context(), s.actor("alice"), social.NewID(), follows.Wishes{})
	wantFault(t, err, social.CodeNotFound)
	_, err = s.Unfollow(t.Context(), s.actor("alice"), social.NewID())
	wantFault(t, err, social.CodeNotFound)
	_, err = s.Follow(t.Context(), social.Actor{UserID: social.NewID()}, s.id("alice"), follows.Wishes{})
	wantFault(t, err, social.CodeInvalidToken)
	if len(s.Outbox(t)) != 0 || len(s.drain()) != 0 {
		t.Error("something refused was announced or told")
	}
	s.follow(t, "alice", "bob", follows.Wishes{})
	s.follow(t, "alice", "carl", follows.Wishes{})
	_, err = s.Follow(t.Context(), s.actor("alice"), s.id("dora"), follows.Wishes{})
	wantFault(t, err, social.CodeLimitReached)
	s.follow(t, "alice", "carl", follows.Wishes{Bell: &no}) // an existing one may change
	s.unfollow(t, "alice", "bob")
	s.follow(t, "alice", "dora", follows.Wishes{})
}

// H28: the right final state, one fact for each change.
func TestThousandFollowsAtOnce(t *testing.T) {
	s := open(t, "alice", "bob")
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			err := storage.ErrBusy
			for errors.Is(err, storage.ErrBusy) { // refused before it began; a client comes back
				if i%2 == 0 {
					_, err = s.Follow(t.Context(), s.actor("bob"), s.id("alice"), follows.Wishes{})
				} else {
					_, err = s.Unfollow(t.Context(), s.actor("bob"), s.id("alice"))
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	started, ended := 0, 0
	for i, f := range s.drain() {
		if _, ok := f.(event.FollowStarted); ok {
			started++
		} else {
			ended++
		}
		if started-ended != (i+1)%2 {
			t.Fatalf("after %d facts: %d started, %d ended", i+1, started, ended)
		}
	}
	if got := len(s.following(t, "bob")); got != started-ended {
		t.Errorf("bob follows %d people, the facts say %d", got, started-ended)
	}
	if rows := s.Outbox(t); len(rows) != 2*(started+ended) {
		t.Errorf("%d announcements of %d changes, want two each", len(rows), started+ended)
	}
}

func TestLists(t *testing.T) {
	s := open(t, "alice", "bob", "carl", "dora")
	s.follow(t, "bob", "alice", follows.Wishes{})
	s.follow(t, "carl", "alice", follows.Wishes{})
	s.follow(t, "dora", "alice", follows.Wishes{})
	s.follow(t, "dora", "bob", follows.Wishes{})
	for _, tt := range []struct {
		who       string
		following bool
		want      []string
	}{
		{"alice", false, []string{"dora", "carl", "bob"}}, {"alice", true, []string{}},
		{"dora", true, []string{"bob", "alice"}}, {"bob", false, []string{"dora"}},
	} {
		if got := s.list(t, tt.who, tt.following, 2); !slices.Equal(got, tt.want) {
			t.Errorf("%s, following %v: %v, want %v", tt.who, tt.following, got, tt.want)
		}
	}
	first, err := s.page(t, social.ID{}, s.id("alice"), false, social.PageQuery{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.page(t, social.ID{}, s.id("alice"), false, social.PageQuery{Limit: 2, Cursor: *first.Next})
	if err != nil || second.Prev == nil || second.Next != nil {
		t.Fatalf("second page %+v, %v", second, err)
	}
	_, err = s.page(t, social.ID{}, s.id("alice"), true, social.PageQuery{Limit: 2, Cursor: *first.Next})
	wantFault(t, err, social.CodeInvalidCursor)
	_, err = s.page(t, s.id("bob"), s.id("alice"), false, social.PageQuery{Limit: 2, Cursor: *first.Next})
	wantFault(t, err, social.CodeInvalidCursor)
}

func TestAnswersForOthers(t *testing.T) {
	s := open(t, "alice", "bob", "carl", "dora")
	s.follow(t, "bob", "alice", follows.Wishes{})
	s.follow(t, "carl", "alice", follows.Wishes{Bell: &no})
	s.follow(t, "alice", "bob", follows.Wishes{Reposts: &no})
	s.Read(t, func(q storage.Querier) error {
		ids := []social.ID{s.id("bob"), s.id("carl"), s.id("dora"), social.NewID()}
		rel, err := s.Relations(t.Context(), q, s.id("alice"), ids)
		if err != nil || len(rel) != 4 {
			t.Fatalf("%v, %v", rel, err)
		}
		if r := rel[s.id("bob")]; r.Follow != "following" || !r.Notify || r.Reposts || !r.FollowedBy || r.FollowedAt == nil {
			t.Errorf("to bob: %+v", r)
		}
		if r := rel[s.id("carl")]; r.Follow != "none" || r.Notify || !r.FollowedBy || r.FollowedAt != nil {
			t.Errorf("to carl: %+v", r)
		}
		if r := rel[ids[3]]; r.Follow != "none" || r.UserID != ids[3] {
			t.Errorf("to nobody: %+v", r)
		}
		if rel, err := s.Relations(t.Context(), q, social.ID{}, ids); err != nil || len(rel) != 0 {
			t.Errorf("anonymous: %v, %v", rel, err)
		}
		bells, err := s.BellFollowers(t.Context(), q, s.id("alice"), ids)
		if err != nil || len(bells) != 1 || bells[s.id("bob")].User != s.id("alice") || bells[s.id("bob")].SinceKey == 0 {
			t.Errorf("bell followers %v, %v", bells, err)
		}
		for pair, want := range map[[2]string]bool{{"bob", "alice"}: true, {"alice", "carl"}: false, {"", "alice"}: false} {
			if got, err := s.IsFollowing(t.Context(), q, s.id(pair[0]), s.id(pair[1])); err != nil || got != want {
				t.Errorf("%v: %v, %v", pair, got, err)
			}
		}
		// Many are asked in parts.
		many := append(make([]social.ID, 0, 700), s.id("bob"))
		for range 698 {
			many = append(many, social.NewID())
		}
		many = append(many, s.id("carl"))
		rel, err = s.Relations(t.Context(), q, s.id("alice"), many)
		if err != nil || len(rel) != 700 || !rel[s.id("bob")].FollowedBy || !rel[s.id("carl")].FollowedBy {
			t.Errorf("of 700: %d, %v", len(rel), err)
		}
		return nil
	})
}

// What a transaction sees does not stay in memory when it is undone, and what is in memory is never old.
func TestFollowingInMemory(t *testing.T) {
	s := openGivingBack(t, "alice", "bob", "carl")
	s.follow(t, "bob", "alice", follows.Wishes{})
	if got := s.following(t, "bob"); !slices.Equal(got, []string{"alice"}) {
		t.Fatal(got)
	}
	undone := errors.New("undone")
	var inside []social.FollowEdge
	s.Bus.React(event.On("test: look and fail", func(ctx ctx, tx storage.Tx, f event.FollowStarted) (err error) {
		if inside, err = s.Service.Following(ctx, tx, f.Follower.ID); err != nil || f.Followed.Username != "carl" {
			return err
		}
		return undone
	}))
	if _, err := s.Follow(t.Context(), s.actor("bob"), s.id("carl"), follows.Wishes{}); !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if len(inside) != 2 {
		t.Errorf("inside the transaction bob follows %d people, want 2", len(inside))
	}
	if got := s.following(t, "bob"); !slices.Equal(got, []string{"alice"}) {
		t.Errorf("after it was undone bob follows %v", got)
	}
	s.Read(t, func(old storage.Querier) error {
		var n int
		if err := old.QueryRow(t.Context(),
			`SELECT COUNT(*) FROM follows`).Scan(&n); err != nil { // the snapshot is taken here
			return err
		}
		s.unfollow(t, "bob", "alice")
		if got := s.following(t, "bob"); len(got) != 0 {
			t.Errorf("after the unfollow bob follows %v", got)
		}
		list, err := s.Service.Following(t.Context(), old, s.id("bob"))
		if len(list) != 1 {
			t.Errorf("the old snapshot shows %v", list)
		}
		if got := s.following(t, "bob"); len(got) != 0 {
			t.Errorf("the old snapshot spoiled memory: bob follows %v", got)
		}
		return err
	})
}

func TestAccountEnds(t *testing.T) {
	s := open(t, "gone", "alice")
	const fans = 150
	for i := range fans {
		name := fmt.Sprintf("fan%d", i)
		s.users.add(name)
		s.follow(t, name, "gone", follows.Wishes{})
		if i%2 == 0 {
			s.follow(t, "gone", name, follows.Wishes{})
		}
	}
	s.follow(t, "fan1", "alice", follows.Wishes{})
	s.following(t, "fan1") // in memory
	s.DrainOutbox(t)
	s.drain()
	s.end(t, "gone")

	check := func(when string) {
		t.Helper()
		if got := s.following(t, "fan1"); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("%s: fan1 follows %v", when, got)
		}
		if got := s.list(t, "fan2", false, 20); len(got) != 0 {
			t.Errorf("%s: fan2 is followed by %v", when, got)
		}
		s.Read(t, func(q storage.Querier) error {
			if got := s.following(t, "gone"); len(got) != 0 {
				t.Errorf("%s: the one who left follows %d", when, len(got))
			}
			if _, ok, err := s.Edge(t.Context(), q, s.id("fan1"), s.id("gone")); ok || err != nil {
				t.Errorf("%s: an edge stands: %v, %v", when, ok, err)
			}
			bells, err := s.BellFollowers(t.Context(), q, s.id("gone"), []social.ID{s.id("fan1")})
			if len(bells) != 0 {
				t.Errorf("%s: bell followers %v", when, bells)
			}
			rel, err2 := s.Relations(t.Context(), q, s.id("fan2"), []social.ID{s.id("gone")})
			if r := rel[s.id("gone")]; r.Follow != "none" || r.FollowedBy {
				t.Errorf("%s: relation %+v", when, r)
			}
			return errors.Join(err, err2)
		})
		_, err := s.Follow(t.Context(), s.actor("alice"), s.id("gone"), follows.Wishes{})
		wantFault(t, err, social.CodeNotFound)
	}
	check("at once")
	if len(s.drain()) != 0 {
		t.Error("the reaction did the work of the job")
	}
	if turns := s.work(t); turns < 4 {
		t.Errorf("%d follows ended in %d turns, which are no pages", fans*3/2, turns)
	}
	check("after the work")
	ended := map[[2]social.ID]int{}
	for _, f := range s.drain() {
		e := f.(event.FollowEnded)
		ended[[2]social.ID{e.Follower, e.Followed}]++
	}
	if len(ended) != fans+fans/2 {
		t.Errorf("%d follows ended, want %d", len(ended), fans+fans/2)
	}
	for pair, n := range ended {
		if n != 1 {
			t.Errorf("%v ended %d times", pair, n)
		}
	}
	if rows := s.Outbox(t); len(rows) != 0 {
		t.Errorf("announced %v; the erase entry speaks for all", rows)
	}
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(),
			`SELECT (SELECT COUNT(*) FROM follows) * 10 + (SELECT COUNT(*) FROM follow_leavers)`).Scan(&n)
		if n != 10 {
			t.Errorf("rows left: %d, want fan1's follow of alice alone", n)
		}
		return err
	})
}

// TestToldOfTheEnd: whoever followed an account is a reader of its last event, and of nothing before it, until that is
// trimmed; whoever followed it no more is not, and nothing is kept of those who have gone themselves.
func TestToldOfTheEnd(t *testing.T) {
	s := open(t, "gone", "later", "fan", "left", "leaver", "other")
	for _, who := range []string{"fan", "left", "leaver"} {
		s.follow(t, who, "gone", follows.Wishes{})
		s.follow(t, who, "later", follows.Wishes{})
	}
	s.follow(t, "other", "fan", follows.Wishes{})
	s.unfollow(t, "left", "gone")
	check := func(when string, want map[string]int) {
		t.Helper()
		for who, n := range want {
			if got := s.ended(t, who); len(got) != n {
				t.Errorf("%s: %s is told of %v, want %d", when, who, got, n)
			}
		}
	}
	forget := func(floor social.Position) {
		t.Helper()
		s.InTx(t, func(tx storage.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE log_state SET floor = $1`, int64(floor))
			return err
		})
		for more := true; more; {
			var err error
			if more, err = s.Jobs()[1].Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.endAt(t, "gone", 70)
	check("at once", map[string]int{"fan": 1, "left": 0, "leaver": 1, "other": 0})
	s.endAt(t, "leaver", 75)
	s.endAt(t, "later", 80)
	s.work(t)
	check("after the work", map[string]int{"fan": 2, "left": 1, "leaver": 0, "other": 0})
	if got, want := s.ended(t, "fan"), []string{"gone 69", "later 79"}; !slices.Equal(got, want) {
		t.Errorf("fan is told of %v, want %v", got, want)
	}
	forget(69)
	check("before it is trimmed", map[string]int{"fan": 2, "left": 1})
	forget(70)
	check("one is trimmed", map[string]int{"fan": 1, "left": 1})
	forget(80)
	check("all are trimmed", map[string]int{"fan": 0, "left": 0})
	s.Read(t, func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM ended_follows`).Scan(&n)
		if n != 0 {
			t.Errorf("%d rows are left", n)
		}
		return err
	})
}
