package notifications_test

import (
	"encoding/json"
	"testing"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

// TestHiddenCostsABudget: what is passed over in a list or a count costs no more for being ten times as much, and a list
// that is not at its end then says where to go on.
func TestHiddenCostsABudget(t *testing.T) {
	push := func(w *world, kind string) {
		_, err := w.s.Push(t.Context(), notifications.Push{Receiver: w.user("alice").ID.String(), Type: kind, Content: "x",
			Data: json.RawMessage(`{}`)}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		filter  notifications.Filter
		n       int // more than a list looks at, and more than a count where there is one
		shown   int
		prepare func(w *world)
		hide    func(w *world, n int)
	}{
		{"comments of an account that has ended", notifications.Filter{}, 1100, 1, nil, func(w *world, n int) {
			p := w.post("alice", "harbour")
			for range n {
				w.post("mallory", "spam", under(p))
			}
			w.deleteUser("mallory")
		}},
		{"words that are not asked for", notifications.Filter{Types: []string{"custom.rare"}}, 1100, 1, nil,
			func(w *world, n int) {
				for range n {
					push(w, "often")
				}
			}},
		{"posts of whom one follows, with notifications of their own", notifications.Filter{Types: []string{"post"}}, 600, 0,
			func(w *world) { w.follow("alice", "mallory") }, func(w *world, n int) {
				for range n {
					w.post("mallory", "@alice", naming(w.user("alice")))
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			counted := &moduletest.CountedDB{DB: w.DB, F: w.Fixture, T: t}
			w.seen.DB = counted
			push(w, "rare")
			if tt.prepare != nil {
				tt.prepare(w)
			}
			cost := func() (list, counts int) {
				counted.Steps = 0
				page, err := w.s.List(t.Context(), w.user("alice").ID, tt.filter, social.PageQuery{Limit: 2})
				if err != nil || len(page.Items) != 0 || page.Next == nil {
					t.Errorf("a page of %d items, next %v, %v", len(page.Items), page.Next, err)
				}
				list, counted.Steps = counted.Steps, 0
				w.counts("alice")
				return list, counted.Steps
			}
			tt.hide(w, tt.n)
			list, counts := cost()
			tt.hide(w, tt.n)
			more, moreCounts := cost()
			t.Logf("steps of a list: %d, then %d; of the counts: %d, then %d", list, more, counts, moreCounts)
			if more > list+list/5 || tt.n > 1000 && moreCounts > counts+counts/5 {
				t.Errorf("the list takes %d steps, then %d; the counts %d, then %d", list, more, counts, moreCounts)
			}
			shown := 0
			for q := (social.PageQuery{Limit: 100}); ; {
				page, err := w.s.List(t.Context(), w.user("alice").ID, tt.filter, q)
				if err != nil {
					t.Fatal(err)
				}
				shown += len(page.Items)
				if page.Next == nil {
					break
				}
				q.Cursor = *page.Next
			}
			if shown != tt.shown {
				t.Errorf("%d are shown over all pages, want %d", shown, tt.shown)
			}
		})
	}
}
