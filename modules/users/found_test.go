package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// named makes an account with a display name.
func (w *world) named(t testing.TB, name, shown string) social.ID {
	t.Helper()
	me, err := w.users.Add(t.Context(), name, password, social.RoleUser, shown)
	if err != nil {
		t.Fatal(err)
	}
	return me.ID
}

// writes has a person publish as posts tells of it.
func (w *world) writes(t testing.TB, who social.ID, v event.Visibility, answer social.ID) (key int64) {
	t.Helper()
	w.InTx(t, func(tx storage.Tx) (err error) {
		if key, err = tx.NextKey(t.Context()); err != nil {
			return err
		}
		return w.Bus.Emit(t.Context(), tx, event.PostPublished{Post: event.PostInfo{Key: key,
			Author: social.UserRef{ID: who}, Visibility: v, ReplyTo: answer}})
	})
	return key
}

// all reads a list of people to its end and back, and gives their names.
func (w *world) all(t testing.TB, limit int,
	page func(q storage.Querier, p social.PageQuery) (social.List[social.ID], error)) (names []string) {
	t.Helper()
	var forth, back []social.ID
	at := func(p social.PageQuery) (list social.List[social.ID]) {
		w.Read(t, func(q storage.Querier) (err error) { list, err = page(q, p); return err })
		return list
	}
	last := at(social.PageQuery{Limit: limit})
	for {
		forth = append(forth, last.Items...)
		if last.Next == nil {
			break
		}
		last = at(social.PageQuery{Limit: limit, Cursor: *last.Next})
	}
	for {
		back = append(slices.Clone(last.Items), back...)
		if last.Prev == nil {
			break
		}
		last = at(social.PageQuery{Limit: limit, Cursor: *last.Prev})
	}
	if !slices.Equal(forth, back) {
		t.Errorf("%d people forwards, others backwards", len(forth))
	}
	names = []string{}
	w.Read(t, func(q storage.Querier) error {
		refs, err := w.users.Refs(t.Context(), q, forth)
		for _, id := range forth {
			names = append(names, refs[id].Username)
		}
		return err
	})
	return names
}

func (w *world) search(t testing.TB, text string) []string {
	t.Helper()
	return w.all(t, 2, func(q storage.Querier, p social.PageQuery) (social.List[social.ID], error) {
		return w.users.Search(t.Context(), q, social.ID{}, text, p)
	})
}

func (w *world) directory(t testing.TB) []string {
	t.Helper()
	return w.all(t, 2, func(q storage.Querier, p social.PageQuery) (social.List[social.ID], error) {
		return w.users.Active(t.Context(), q, social.ID{}, p)
	})
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestSearch(t *testing.T) {
	w := open(t)
	w.named(t, "al", "Zoë")
	alice := w.named(t, "alice", "Ärger  Straße")
	w.named(t, "alan", "ＷＩＤＥ Alan")
	bob := w.named(t, "bob", "Alice the second")
	suspended := w.named(t, "alsatian", "")
	gone := w.named(t, "alpine", "")
	if err := w.users.Suspend(t.Context(), w.name(t, suspended)); err != nil {
		t.Fatal(err)
	}
	if err := w.users.Delete(t.Context(), w.name(t, gone)); err != nil {
		t.Fatal(err)
	}
	w.writes(t, alice, event.Public, social.ID{})
	for text, want := range map[string][]string{
		"al":            {"al", "alice", "bob", "alan"}, // the exact name, who wrote last, who joined last
		" @AL ":         {"al", "alice", "bob", "alan"},
		"alice":         {"alice", "bob"},
		"alice the":     {"bob"},
		"ä":             {"alice"},
		"ärger strasse": {"alice"},
		"wide":          {"alan"},
		"zo":            {"al"},
		"als":           {},
		"alp":           {},
		"lice":          {},
		"al%":           {},
		"al_":           {},
		"second":        {},
		"\U0010FFFF":    {},
	} {
		same(t, text, w.search(t, text), want...)
	}
	for _, text := range []string{" ", "@", "\u200d", ""} {
		w.Read(t, func(q storage.Querier) error {
			if _, err := w.users.Search(t.Context(), q, bob, text, social.PageQuery{Limit: 2}); !social.IsFault(err,
				social.CodeValidationFailed) {
				t.Errorf("%q: %v", text, err)
			}
			return nil
		})
	}
	if err := w.users.Restore(t.Context(), w.name(t, suspended)); err != nil {
		t.Fatal(err)
	}
	same(t, "restored", w.search(t, "als"), "alsatian")
	shown := "Somebody else"
	if _, err := w.users.UpdateMe(t.Context(), social.Actor{UserID: bob},
		users.ProfileChange{DisplayName: users.Change[string]{Set: true, Value: &shown}}); err != nil {
		t.Fatal(err)
	}
	same(t, "the old name", w.search(t, "alice"), "alice")
	same(t, "the new name", w.search(t, "somebody"), "bob")
}

func (w *world) name(t testing.TB, id social.ID) string {
	t.Helper()
	me, err := w.users.Me(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return me.Username
}

// TestSearchIsBounded: of very many names that begin alike the first are looked at, and who is exactly called so is
// among them.
func TestSearchIsBounded(t *testing.T) {
	w := open(t)
	w.named(t, "crowd", "")
	w.InTx(t, func(tx storage.Tx) error {
		for i := range 3 * social.ScanBudget {
			key, err := tx.NextKey(t.Context())
			if err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `INSERT INTO users (id, key, username, display_name, role, state, locale,
				time_zone, password_hash, created_at, found_name)
				VALUES ($1, $2, $3, '', 'user', 'active', 'en', 'UTC', '', 0, '')`,
				social.NewID(), key, fmt.Sprintf("crowd%04d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	got := w.all(t, 100, func(q storage.Querier, p social.PageQuery) (social.List[social.ID], error) {
		return w.users.Search(t.Context(), q, social.ID{}, "crowd", p)
	})
	if len(got) != social.ScanBudget || got[0] != "crowd" || got[1] != "crowd0498" {
		t.Errorf("%d people, first %v", len(got), got[:2])
	}
}

// TestOldNamesAreFound: names and activity from before the search are found when the jobs have run.
func TestOldNamesAreFound(t *testing.T) {
	w := open(t)
	alice := w.named(t, "alice", "Ärger")
	bob := w.named(t, "bob", "")
	w.writes(t, bob, event.Public, social.ID{})
	w.InTx(t, func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE users SET found_name = NULL, posts_count = 1`)
		return err
	})
	same(t, "before", w.search(t, "ärger"))
	w.runJobs(t)
	same(t, "after", w.search(t, "ärger"), "alice")
	w.InTx(t, func(tx storage.Tx) error {
		for _, who := range []social.ID{alice, bob} { // of bob something newer is known
			if err := w.Bus.Emit(t.Context(), tx, event.AuthorActive{Author: who, Key: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "who was active", w.directory(t), "bob", "alice")
}

// TestDirectoryModel: the directory is everybody who has a post for everybody, may be found, and in the order of the
// newest.
func TestDirectoryModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := open(t)
		ids, name := map[string]social.ID{}, rapid.SampledFrom([]string{"ann", "ben", "cleo", "dan"})
		newest, count, hidden := map[string]int64{}, map[string]int{}, map[string]bool{}
		for _, n := range []string{"ann", "ben", "cleo", "dan"} {
			w.InTx(t, func(tx storage.Tx) error {
				key, err := tx.NextKey(t.Context())
				if err != nil {
					return err
				}
				ids[n] = social.NewID()
				_, err = tx.Exec(t.Context(), `INSERT INTO users (id, key, username, display_name, role, state, locale,
					time_zone, password_hash, created_at)
					VALUES ($1, $2, $3, '', 'user', 'active', 'en', 'UTC', '', 0)`, ids[n], key, n)
				return err
			})
		}
		for range rapid.IntRange(1, 20).Draw(r, "acts") {
			n := name.Draw(r, "who")
			op := rapid.SampledFrom([]string{"post", "post", "closed", "comment", "remove", "suspend", "restore"})
			switch op.Draw(r, "op") {
			case "post":
				newest[n] = w.writes(t, ids[n], event.Public, social.ID{})
				count[n]++
			case "closed":
				w.writes(t, ids[n], event.Followers, social.ID{})
			case "comment":
				w.writes(t, ids[n], event.Public, social.NewID())
			case "remove":
				if count[n] > 0 {
					count[n]--
					w.InTx(t, func(tx storage.Tx) error {
						return w.Bus.Emit(t.Context(), tx, event.PostRemoved{Post: event.PostInfo{Author: social.UserRef{ID: ids[n]},
							Visibility: event.Public}})
					})
				}
			case "suspend":
				hidden[n] = true
				_ = w.users.Suspend(t.Context(), n) // again is refused
			case "restore":
				hidden[n] = false
				_ = w.users.Restore(t.Context(), n)
			}
		}
		var want []string
		for n := range ids {
			if count[n] > 0 && !hidden[n] {
				want = append(want, n)
			}
		}
		slices.SortFunc(want, func(a, b string) int { return int(newest[b] - newest[a]) })
		if got := w.directory(t); strings.Join(got, " ") != strings.Join(want, " ") {
			r.Fatalf("got %q, want %q", got, want)
		}
	})
}
