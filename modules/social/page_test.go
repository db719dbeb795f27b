package social_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// window reads from a sorted slice as a store would.
func window(keys []int64) func(social.Window) ([]int64, error) {
	return func(w social.Window) ([]int64, error) {
		list := slices.Clone(keys)
		slices.Sort(list)
		if !w.Rising {
			slices.Reverse(list)
		}
		var out []int64
		for _, k := range list {
			if w.Bound && ((w.Rising && k <= w.Key) || (!w.Rising && k >= w.Key)) {
				continue
			}
			if len(out) < w.Limit {
				out = append(out, k)
			}
		}
		return out, nil
	}
}

func self(k int64) int64 { return k }

// TestPagesCoverTheList: walking forwards gives every item once and in order, walking back from the end gives the
// same pages the other way, whatever is inserted in front meanwhile.
func TestPagesCoverTheList(t *testing.T) {
	pages := social.NewPageCursors(make([]byte, 32))
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1000), 0, 40, rapid.ID).Draw(t, "keys")
		rising := rapid.Bool().Draw(t, "rising")
		limit := rapid.IntRange(1, 7).Draw(t, "limit")
		want := slices.Clone(keys)
		slices.Sort(want)
		if !rising {
			slices.Reverse(want)
		}
		scope := social.PageScope{List: "test"}
		read := func(cursor string) social.List[int64] {
			page, err := social.PageOf(pages, scope, social.PageQuery{Limit: limit, Cursor: cursor}, rising, self, window(keys))
			if err != nil {
				t.Fatal(err)
			}
			return page
		}
		var got []int64
		page := read("")
		if page.Prev != nil {
			t.Fatalf("the first page has one before it")
		}
		for n := 0; ; n++ {
			got = append(got, page.Items...)
			if page.Next == nil {
				break
			}
			if n > len(want) {
				t.Fatal("the pages do not end")
			}
			page = read(*page.Next)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("forwards %v, want %v", got, want)
		}
		var back [][]int64
		for {
			back = append(back, page.Items)
			if page.Prev == nil {
				break
			}
			page = read(*page.Prev)
		}
		slices.Reverse(back)
		if got := slices.Concat(back...); !slices.Equal(got, want) {
			t.Fatalf("backwards %v, want %v", got, want)
		}
	})
}

// TestWalkedPagesCoverTheList: over lists of which much is not shown, pages that end with the budget leave nothing out
// and double nothing, forwards and back, and none looks at more than the budget.
func TestWalkedPagesCoverTheList(t *testing.T) {
	pages := social.NewPageCursors(make([]byte, 32))
	rapid.Check(t, func(t *rapid.T) {
		var open, closed, want []int64 // rows that are all shown, and rows of which few are
		shown := map[int64]bool{}
		many := rapid.IntRange(0, 2500).Draw(t, "rows")
		rare := rapid.SampledFrom([]int{2, 100, 900}).Draw(t, "one is shown in")
		for k := int64(1); k <= int64(many); k++ {
			switch draw := rapid.Uint64().Draw(t, "row") % uint64(rare); {
			case draw == 0:
				open, want = append(open, k), append(want, k)
			case draw == 1:
				closed, shown[k], want = append(closed, k), true, append(want, k)
			default:
				closed = append(closed, k)
			}
		}
		rising := rapid.Bool().Draw(t, "rising")
		if !rising {
			slices.Reverse(want)
		}
		limit, looked := rapid.IntRange(1, 100).Draw(t, "limit"), 0
		read := func(cursor string) social.List[int64] {
			looked = 0
			page, err := social.WalkedPage(pages, social.PageScope{}, social.PageQuery{Limit: limit, Cursor: cursor}, rising,
				self, func(w social.Window) (social.Found[int64], error) {
					all, err := window(open)(w)
					walked, _ := social.Walk(w, self, func(k int64) (bool, error) { looked++; return shown[k], nil }, window(closed))
					return social.MergeFound(w, social.Found[int64]{Items: all}, walked, self), err
				})
			if err != nil || looked > social.ScanBudget {
				t.Fatalf("%v after %d rows", err, looked)
			}
			return page
		}
		var got []int64
		page := read("")
		for got = append(got, page.Items...); page.Next != nil; got = append(got, page.Items...) {
			page = read(*page.Next)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("forwards %v, want %v", got, want)
		}
		got = nil
		for ; ; page = read(*page.Prev) {
			slices.Reverse(page.Items)
			if got = append(got, page.Items...); page.Prev == nil {
				break
			}
		}
		slices.Reverse(got)
		if !slices.Equal(got, want) {
			t.Fatalf("backwards %v, want %v", got, want)
		}
	})
}

// TestPageCursorIsBound: a cursor of another list, filter, person, key or shape is refused (H26).
func TestPageCursorIsBound(t *testing.T) {
	pages := social.NewPageCursors(make([]byte, 32))
	scope := social.PageScope{List: "posts", Filter: "a", Person: social.ID{1}}
	keys := []int64{1, 2, 3, 4}
	read := func(p *social.PageCursors, s social.PageScope, cursor string) (social.List[int64], error) {
		return social.PageOf(p, s, social.PageQuery{Limit: 2, Cursor: cursor}, false, self, window(keys))
	}
	first, err := read(pages, scope, "")
	if err != nil || first.Next == nil {
		t.Fatal(err)
	}
	if _, err := read(pages, scope, *first.Next); err != nil {
		t.Fatalf("its own cursor: %v", err)
	}
	other := []social.PageScope{{List: "likes", Filter: "a", Person: social.ID{1}}, {List: "posts", Filter: "b",
		Person: social.ID{1}},
		{List: "posts", Filter: "a"}, {List: "postsa", Filter: "", Person: social.ID{1}}}
	for _, s := range other {
		if _, err := read(pages, s, *first.Next); !social.IsFault(err, social.CodeInvalidCursor) {
			t.Errorf("in scope %+v: %v", s, err)
		}
	}
	if _, err := read(social.NewPageCursors([]byte("another key of thirty-two bytes!")), scope,
		*first.Next); !social.IsFault(err, social.CodeInvalidCursor) {
		t.Errorf("under another key: %v", err)
	}
	for i := range *first.Next {
		bent := []byte(*first.Next)
		bent[i] ^= 1
		if _, err := read(pages, scope, string(bent)); !social.IsFault(err, social.CodeInvalidCursor) {
			t.Errorf("with character %d changed: %v", i, err)
		}
	}
}

func FuzzPageCursor(f *testing.F) {
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	pages := social.NewPageCursors([]byte("a key that is thirty-two bytes !"))
	f.Fuzz(func(t *testing.T, cursor string) {
		page, err := social.PageOf(pages, social.PageScope{List: "x"}, social.PageQuery{Limit: 2, Cursor: cursor}, true,
			self, window([]int64{1, 2, 3}))
		if err == nil && cursor != "" {
			t.Errorf("a made-up cursor %q gave %v", cursor, page)
		}
		if err != nil && !social.IsFault(err, social.CodeInvalidCursor) {
			t.Errorf("%q: %v", cursor, err)
		}
	})
}

func ExamplePageOf() {
	pages := social.NewPageCursors(make([]byte, 32))
	page, _ := social.PageOf(pages, social.PageScope{List: "example"}, social.PageQuery{Limit: 2}, false, self,
		window([]int64{1, 2, 3}))
	fmt.Println(page.Items, page.Next != nil, page.Prev != nil)
	// Output: [3 2] true false
}

func TestMerge(t *testing.T) {
	same := func(k int64) int64 { return k }
	for _, tt := range []struct {
		w    social.Window
		a, b []int64
		want []int64
	}{
		{social.Window{Rising: true, Limit: 4}, []int64{1, 4, 9}, []int64{2, 3, 5}, []int64{1, 2, 3, 4}},
		{social.Window{Limit: 9}, []int64{9, 4, 1}, []int64{5, 3, 2}, []int64{9, 5, 4, 3, 2, 1}},
		{social.Window{Limit: 2}, nil, []int64{5, 3}, []int64{5, 3}},
		{social.Window{Limit: 2}, []int64{5, 3}, nil, []int64{5, 3}},
	} {
		if got := social.Merge(tt.w, tt.a, tt.b, same); !slices.Equal(got, tt.want) {
			t.Errorf("%v and %v in %+v: %v, want %v", tt.a, tt.b, tt.w, got, tt.want)
		}
	}
}
