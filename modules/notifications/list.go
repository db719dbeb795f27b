package notifications

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The states a list can be narrowed to.
const (
	inInbox    = "inbox" // not archived
	inUnseen   = "unseen"
	inUnread   = "unread"
	inArchived = "archived"
	inLeft     = "left" // of the store only: left unread by hand
)

// Filter says which notifications a list holds. The zero Filter is the whole inbox, one item for each row.
type Filter struct {
	Types   []string // nil = all; "custom" stands for all custom types
	State   string   // inbox (also ""), unseen, unread, archived; all but archived leave out what is archived
	Grouped bool     // one item for each group: its newest member, whose state is the group's
}

// futureTypes are names that a client may already ask for; nothing is made of them yet.
var futureTypes = []string{"follow_request", "follow_accepted", "repost", "moderation"}

// maxFilterTypes bounds a filter.
const maxFilterTypes = 16

// selection is a Filter taken apart.
type selection struct {
	kinds   []string // of rows
	words   []string // of custom rows; nil = all words
	posts   bool     // derived items
	state   string
	grouped bool
}

// everything is the selection of all that has a state.
func everything(state string) selection {
	return selection{kinds: storedTypes, posts: true, state: state}
}

func (f Filter) selection() (selection, error) {
	sel := selection{state: cmp.Or(f.State, inInbox), grouped: f.Grouped}
	if f.Types == nil {
		sel.kinds, sel.posts = storedTypes, true
		return sel, nil
	}
	if len(f.Types) > maxFilterTypes {
		return sel, social.Invalid(social.QueryField("types", social.FieldTooMany,
			"At most "+strconv.Itoa(maxFilterTypes)+" types."))
	}
	all := slices.Contains(f.Types, typeCustom)
	for _, t := range f.Types {
		kind, name, custom := strings.Cut(t, ".")
		switch {
		case custom && kind == typeCustom && word.MatchString(name):
			if !all {
				sel.words = append(sel.words, name)
			}
			t = typeCustom
		case t == typePost:
			sel.posts = true
			continue
		case slices.Contains(futureTypes, t):
			continue
		case !slices.Contains(storedTypes, t):
			return sel, social.Invalid(social.QueryField("types", social.FieldBadFormat,
				"A comma list of types of notifications."))
		}
		if !slices.Contains(sel.kinds, t) {
			sel.kinds = append(sel.kinds, t)
		}
	}
	slices.Sort(sel.kinds) // one text of a query, and one cursor, for every order in which a client may name them
	slices.Sort(sel.words)
	return sel, nil
}

// scopeName is the filter as page cursors are bound to it.
func (s selection) scopeName() string {
	return s.state + strconv.FormatBool(s.grouped) + " " + strconv.FormatBool(s.posts) +
		" [" + strings.Join(s.kinds, " ") + "] [" + strings.Join(s.words, " ") + "]"
}

// span is a range of order keys, both ends excluded, and a direction in which at most limit of it are read, and at most
// scan looked at.
type span struct {
	low, high   int64
	rising      bool
	limit, scan int
}

func spanOf(w social.Window) span {
	at := span{low: -1, high: w.From(), rising: w.Rising, limit: w.Limit, scan: w.Scan}
	if w.Rising {
		at.low, at.high = w.From(), math.MaxInt64
	}
	return at
}

func (s span) order() string {
	if s.rising {
		return "ASC"
	}
	return "DESC"
}

// behind is what of the span lies behind a key.
func (s span) behind(key int64) span {
	if s.rising {
		s.low = key
	} else {
		s.high = key
	}
	return s
}

// window is the span as a walk goes through it. Where it ends is the fetcher's to keep.
func (s span) window() social.Window {
	w := social.Window{Key: s.high, Bound: true, Rising: s.rising, Limit: s.limit, Scan: s.scan}
	if s.rising {
		w.Key = s.low
	}
	return w
}

// at is the span as far as a step of a walk reads it.
func (s span) at(w social.Window) span {
	s = s.behind(w.Key)
	s.limit = w.Limit
	return s
}

// found is what a walk has found of a span.
type found = social.Found[row]

// merge puts what was found of two parts of the span into one.
func (s span) merge(a, b found) found { return social.MergeFound(s.window(), a, b, rowKey) }

// half and less share what may be looked at among two walks: the second has what the first leaves. Each has some, for one
// without any would keep the page from getting on.
func (s span) half() span {
	s.scan = (s.scan + 1) / 2
	return s
}

func (s span) less(f found) span {
	s.scan -= f.Looked
	return s
}

// within is what of the span can stand on one page with what was found of it: nothing behind the end of a full page, nor
// behind the place where a walk was cut.
func (s span) within(f found) span {
	last := f.Through
	switch {
	case len(f.Items) >= s.limit:
		last = f.Items[len(f.Items)-1].key
	case !f.Cut:
		return s
	}
	if s.rising {
		s.high = last
	} else {
		s.low = last
	}
	return s
}

// isGoneRow: the post or the actor of a row n has a tombstone. The table is empty nearly always, so that costs one
// look-up.
const isGoneRow = `CASE WHEN EXISTS (SELECT 1 FROM notification_tombstones)
	AND EXISTS (SELECT 1 FROM notification_tombstones t WHERE t.id = n.object_id OR t.id = n.actor_id) THEN 1 ELSE 0 END`

// isGoneGroup is isGoneRow for heads that speak for their group.
const isGoneGroup = `CASE WHEN EXISTS (SELECT 1 FROM notification_tombstones)
	AND EXISTS (SELECT 1 FROM notification_tombstones t
		WHERE t.id = n.object_id OR t.id = n.actor_id AND n.members = 1) THEN 1 ELSE 0 END`

// listScanner scans rows of rowColumns with isGoneRow or isGoneGroup behind them.
func listScanner() func(storage.Row) (row, error) { return scanRows(true) }

// page reads one page of a selection: rows and derived items, merged on their keys. Derived items mostly come from
// memory, so they are read first and bound how many rows are read.
func (s *Service) page(ctx context.Context, q storage.Querier, v *viewer, sel selection, at span) (found, error) {
	var derived found
	if sel.posts && len(v.bells) > 0 {
		var err error
		if derived, err = s.derivedItems(ctx, q, v, sel.state, at.half()); err != nil {
			return derived, err
		}
	}
	rows, err := storedItems(ctx, q, v, sel, at.within(derived).less(derived))
	return at.merge(rows, derived), err
}

// storedItems reads the rows of a selection in the order of the span. What its index does not tell is looked at row by
// row, so this is a walk.
func storedItems(ctx context.Context, q storage.Querier, v *viewer, sel selection, at span) (rows found, err error) {
	walk := at
	if sel.state == inUnread {
		walk = at.half()
	}
	rows, err = social.Walk(walk.window(), rowKey, func(r row) (bool, error) { return sel.shows(&r), nil },
		func(w social.Window) ([]row, error) {
			query, args := rowsQuery(v, sel, at.at(w))
			if query == "" {
				return nil, nil
			}
			return storage.All(ctx, q, listScanner(), query, args...)
		})
	if err != nil || sel.state != inUnread {
		return rows, err
	}
	below := at // below the watermark there is only what was left unread by hand
	sel.state, below.high = inLeft, min(at.high, v.marks.readKey+1)
	left, err := storedItems(ctx, q, v, sel, below.less(rows))
	return at.merge(rows, left), err
}

// shows tells what rowsQuery leaves open.
func (s selection) shows(r *row) bool {
	switch {
	case r.gone || s.state == inUnseen && r.seenAt != nil || s.state == inUnread && r.readAt != nil:
		return false
	case s.state == inLeft && (r.state != stateInbox || s.grouped && !r.head || !slices.Contains(s.kinds, r.kind)):
		return false
	}
	return r.kind != typeCustom || len(s.words) == 0 || slices.Contains(s.words, r.word)
}

// rowsQuery reads each type as a range of its own in an index, or in the two that share the inbox, at most limit keys
// of each, and fetches the rows that are left after merging the keys. What was left unread has one index for all types.
// "" = there can be none.
func rowsQuery(v *viewer, sel selection, at span) (string, []any) {
	where := `n.state = 0`
	heads, kinds := []string{` AND n.head = 1`, ` AND n.head = 0`}, sel.kinds // each head has its index
	switch sel.state {
	case inArchived:
		where, heads = `n.state = 1`, []string{``}
	case inUnseen:
		at.low = max(at.low, v.marks.seenKey)
	case inUnread:
		heads[0] += ` AND n.read_at IS NULL`
		at.low = max(at.low, v.marks.readKey)
	case inLeft:
		where, heads = `n.left_unread = 1`, []string{``}
		kinds = kinds[:min(1, len(kinds))]
	}
	gone := isGoneRow
	if sel.grouped {
		heads, gone = heads[:1], isGoneGroup
	}
	if sel.grouped && sel.state == inArchived {
		heads = []string{` AND n.head = 1`}
	}
	if len(kinds) == 0 || at.low+1 >= at.high {
		return "", nil
	}
	args := []any{v.person, at.low, at.high, at.limit}
	var b strings.Builder
	b.Grow(512 + len(kinds)*len(heads)*256)
	b.WriteString(`SELECT ` + rowColumns + `, ` + gone + ` FROM notifications n WHERE key IN (`)
	for i, kind := range kinds {
		this := where
		if sel.state != inLeft {
			args = append(args, kind)
			this += ` AND n.type = $` + strconv.Itoa(len(args))
		}
		for j, head := range heads {
			if i+j > 0 {
				b.WriteString(` UNION ALL `)
			}
			for _, part := range []string{`SELECT n.key AS key FROM notifications n WHERE n.receiver_id = $1 AND `, this, head,
				` AND n.key > $2 AND n.key < $3`} {
				b.WriteString(part)
			}
		}
	}
	b.WriteString(` ORDER BY key ` + at.order() + ` LIMIT $4) ORDER BY key ` + at.order())
	return b.String(), args
}

// List gives one page of a person's notifications, newest first.
func (s *Service) List(ctx context.Context, person social.ID, f Filter,
	page social.PageQuery) (social.List[Notification], error) {
	sel, err := f.selection()
	if err != nil {
		return social.List[Notification]{}, err
	}
	scope := social.PageScope{List: "notifications", Filter: sel.scopeName(), Person: person}
	return s.list(ctx, person, scope, page, sel.grouped,
		func(q storage.Querier, v *viewer, w social.Window) (found, error) {
			return s.page(ctx, q, v, sel, spanOf(w))
		})
}

// Members gives one page of the members of a group that are shown, newest first. NotFound if there are none.
func (s *Service) Members(ctx context.Context, person, group social.ID,
	page social.PageQuery) (social.List[Notification], error) {
	scope := social.PageScope{List: "notifications/groups", Filter: group.String(), Person: person}
	return s.list(ctx, person, scope, page, false, func(q storage.Querier, v *viewer, w social.Window) (found, error) {
		head, err := s.visible(ctx, q, v, group, headOf)
		if err != nil {
			return found{}, err
		}
		at := spanOf(w)
		if head.post != nil {
			if head.key <= at.low || head.key >= at.high {
				return found{}, nil
			}
			return found{Items: []row{*head}}, nil
		}
		const within = ` AND key > $2 AND key < $3`
		query := `SELECT ` + rowColumns + `, ` + isGoneRow + ` FROM notifications n WHERE key IN (
			SELECT key FROM (SELECT key FROM notifications
				WHERE ` + joiner + within + ` ORDER BY key ` + at.order() + ` LIMIT $4) AS joiners
			UNION ALL SELECT key FROM notifications WHERE ` + founder + within + `) ORDER BY key ` + at.order() + ` LIMIT $4`
		return social.Walk(at.window(), rowKey, func(r row) (bool, error) { return !r.gone, nil },
			func(w social.Window) ([]row, error) {
				at := at.at(w)
				return storage.All(ctx, q, listScanner(), query, group, at.low, at.high, at.limit)
			})
	})
}

func (s *Service) list(ctx context.Context, person social.ID, scope social.PageScope, page social.PageQuery,
	grouped bool,
	fetch func(storage.Querier, *viewer, social.Window) (found, error)) (out social.List[Notification], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		v, err := s.viewer(ctx, q, person)
		if err != nil {
			return err
		}
		rows, err := social.WalkedPage(s.pages, scope, page, false, rowKey,
			func(w social.Window) (found, error) { return fetch(q, v, w) })
		if err != nil {
			return err
		}
		out.Next, out.Prev = rows.Next, rows.Prev
		out.Items, err = s.render(ctx, q, v.marks, castOf(nil), rows.Items, grouped)
		return err
	})
	return out, err
}
