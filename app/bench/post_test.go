package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/modules/social"
)

// answering is a server that answers as it is told.
func answering(t *testing.T, answer func(r *http.Request) (int, any)) *Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(s.Close)
	return &Server{Address: strings.TrimPrefix(s.URL, "http://")}
}

// What was answered has to be in the author's list, once, in order, and counted; nothing else may be there.
func TestVerifyPosts(t *testing.T) {
	ids := make([]social.ID, 6)
	for i := range ids {
		ids[i] = social.NewID()
	}
	answered := ids[:5] // ids[5] was never answered
	for _, tt := range []struct {
		name  string
		list  []int // newest first
		count int
		want  client.Checked
	}{
		{"all there", []int{4, 3, 2, 1, 0}, 5, client.Checked{Deliveries: 5}},
		{"lost", []int{4, 2, 1, 0}, 4, client.Checked{Deliveries: 4, Lost: 1}},
		{"doubled", []int{4, 3, 3, 2, 1, 0}, 6, client.Checked{Deliveries: 6, Doubled: 1}},
		{"out of order", []int{4, 2, 3, 1, 0}, 5, client.Checked{Deliveries: 5, Disordered: 1}},
		{"stray", []int{5, 4, 3, 2, 1, 0}, 6, client.Checked{Deliveries: 6, Stray: 1}},
		{"counted wrong", []int{4, 3, 2, 1, 0}, 4, client.Checked{Deliveries: 5, Failed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := answering(t, func(r *http.Request) (int, any) {
				if !strings.HasSuffix(r.URL.Path, "/posts") {
					return 200, map[string]int{"posts_count": tt.count}
				}
				return 200, pageOf(r, tt.list, func(i int) string { return ids[i].String() })
			})
			var got client.Checked
			c := client.NewCaller(s.Address)
			defer c.Close()
			if err := verifyPosts(c, client.Person{ID: social.NewID(), Token: "x"}, answered, &got); err != nil {
				t.Fatal(err)
			}
			got.Examples = nil
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// pageOf gives two items of a list behind the cursor, which is a place in it.
func pageOf[T any](r *http.Request, list []T, id func(T) string) any {
	at := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &at)
	var items []map[string]string
	for _, one := range list[at:min(at+2, len(list))] {
		items = append(items, map[string]string{"id": id(one)})
	}
	page := map[string]any{"items": items}
	if at+2 < len(list) {
		page["next"] = fmt.Sprint(at + 2)
	}
	return page
}

// A list is held against what has to be on it, or against its order alone.
func TestReadListCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rising bool
		want   []string
		pages  [][]string
		result client.Checked
	}{
		{"falling", false, nil, [][]string{{"d", "c"}, {"b"}}, client.Checked{Deliveries: 3}},
		{"rising", true, nil, [][]string{{"a", "c"}, {"d"}}, client.Checked{Deliveries: 3}},
		{"known", false, []string{"d", "b"}, [][]string{{"d", "b"}}, client.Checked{Deliveries: 2}},
		{"again on the next page", false, nil, [][]string{{"d", "c"}, {"c"}}, client.Checked{Deliveries: 3, Doubled: 1}},
		{"wrong way", false, nil, [][]string{{"d", "b"}, {"c"}}, client.Checked{Deliveries: 3, Disordered: 1}},
		{"missing", false, []string{"d", "c", "b"}, [][]string{{"d", "b"}}, client.Checked{Deliveries: 2, Lost: 1}},
		{"too much", false, []string{"d"}, [][]string{{"d", "c"}}, client.Checked{Deliveries: 2, Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, got := &readList{rising: tt.rising, want: tt.want}, client.Checked{}
			for _, page := range tt.pages {
				l.check(&got, page)
			}
			got.Examples = nil
			if fmt.Sprint(got) != fmt.Sprint(tt.result) {
				t.Errorf("got %+v, want %+v", got, tt.result)
			}
		})
	}
}

// Authors hear themselves, and followers who are connected hear the last author alone.
func TestHeard(t *testing.T) {
	got := heard([]int{0, 1, 0, 1}, 4, 2)
	want := [][]uint32{{0, 2}, {1, 3}, {1, 3}, {1, 3}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNumbers(t *testing.T) {
	var n numbers
	if err := n.Set("1,10k,2M"); err != nil || !slices.Equal(n, numbers{1, 10_000, 2_000_000}) ||
		n.String() != "1,10000,2000000" {
		t.Errorf("%v: %v", err, n)
	}
	for _, bad := range []string{"", "0", "-1", "1,,2", "k", "1.5", "x"} {
		if n.Set(bad) == nil {
			t.Errorf("%q was taken as %v", bad, n)
		}
	}
}
