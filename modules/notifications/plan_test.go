package notifications

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// plan gives the indexes a query uses and whether it sorts what it reads, and fails on a walk through a table of
// notifications.
func plan(t *testing.T, f *moduletest.Fixture, query string, args ...any) (out []string, sorted bool) {
	t.Helper()
	index := regexp.MustCompile(`INDEX (notification\w+)`)
	f.Read(t, func(q storage.Querier) error {
		return storage.Each(context.Background(), q, func(rows storage.Row) error {
			var a, b, c int
			var detail string
			if err := rows.Scan(&a, &b, &c, &detail); err != nil {
				return err
			}
			if strings.Contains(detail, "TEMP B-TREE") {
				sorted = true
			}
			if m := index.FindStringSubmatch(detail); m != nil {
				out = append(out, m[1])
			}
			if strings.HasPrefix(detail, "SCAN n") && !strings.Contains(detail, "tombstones") {
				t.Errorf("%s\nin %s", detail, query)
			}
			return nil
		}, "EXPLAIN QUERY PLAN "+query, args...)
	})
	slices.Sort(out)
	return slices.Compact(out), sorted
}

// TestPlans: every list and count reads ranges of the index that was made for it, and a list sorts nothing.
func TestPlans(t *testing.T) {
	f := moduletest.Open(t, Migrations)
	v := &viewer{person: social.NewID(), marks: watermarks{seenKey: 5, readKey: 3}}
	for _, tt := range []struct {
		state   string
		grouped bool
		want    string
	}{
		{inInbox, false, "notifications_heads notifications_others"}, {inInbox, true, "notifications_heads"},
		{inUnseen, false, "notifications_heads notifications_others"}, {inUnseen, true, "notifications_heads"},
		{inUnread, false, "notifications_open notifications_others"}, {inUnread, true, "notifications_open"},
		{inArchived, false, "notifications_archived"}, {inArchived, true, "notifications_archived"},
		{inLeft, false, "notifications_left"}, {inLeft, true, "notifications_left"},
	} {
		for _, sel := range []selection{everything(tt.state),
			{kinds: []string{typeLike, typeCustom}, words: []string{"a", "b"}, state: tt.state}} {
			sel.grouped = tt.grouped
			for _, rising := range []bool{false, true} {
				query, args := rowsQuery(v, sel, spanOf(social.Window{Limit: 20, Rising: rising}))
				got, sorted := plan(t, f, query, args...)
				if strings.Join(got, " ") != tt.want || sorted {
					t.Errorf("%s, grouped=%v, %d types: uses %v (sorts: %v), want %s", tt.state, tt.grouped, len(sel.kinds), got,
						sorted, tt.want)
				}
			}
		}
	}
	if got, _ := plan(t, f, countQuery, v.person, 3, 5); !slices.Equal(got,
		[]string{"notifications_left", "notifications_open"}) {
		t.Errorf("counts use %v", got)
	}
}
