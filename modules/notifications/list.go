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

// span is a range of order keys, both ends excluded, and a direction in which at most limit of it are read.
type span struct {
	low, high int64
	rising    bool
	limit     int
}

func spanOf(w social.Window) span {
	at := span{low: -1, high: w.From(), rising: w.Rising, limit: w.Limit}
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

// merge puts two lists of the span, each in its order, into one.
func (s span) merge(a, b []row) []row {
	return social.Merge(social.Window{Rising: s.rising, Limit: s.limit}, a, b, rowKey)
}

// within is what of the span can stand on one page with a list of it: if that is full, nothing behind its end.
func (s span) within(list []row) span {
	if len(list) < s.limit {
		return s
	}
	if last := list[len(list)-1].key; s.rising {
		s.high = last
	} else {
		s.low = last
	}
	return s
}

// notGone leaves out rows n whose post or actor has a tombstone. The table is empty nearly always, so that costs one
// look-up.
const notGone = ` AND (NOT EXISTS (SELECT 1 FROM notification_tombstones)
	OR NOT EXISTS (SELECT 1 FROM notification_tombstones t WHERE t.id = n.object_id OR t.id = n.actor_id))`

// page reads one page of a selection: rows and derived items, merged on their keys. Derived items mostly come from
// memory, so they are read first and bound how many rows are read.
func (s *Service) page(ctx context.Context, q storage.Querier, v *viewer, sel selection, at span) ([]row, error) {
	var derived []row
	if sel.posts && len(v.bells) > 0 {
		var err error
		if derived, err = s.derivedItems(ctx, q, v, sel.state, at); err != nil {
			return nil, err
		}
	}
	rows, err := storedItems(ctx, q, v, sel, at.within(derived))
	return at.merge(rows, derived), err
}

// storedItems reads the rows of a selection in the order of the span.
func storedItems(ctx context.Context, q storage.Querier, v *viewer, sel selection, at span) ([]row, error) {
	query, args := rowsQuery(v, sel, at)
	var rows []row
	var err error
	if query != "" {
		rows, err = storage.All(ctx, q, rowScanner(), query, args...)
	}
	if err != nil || sel.state != inUnread {
		return rows, err
	}
	sel.state, at.high = inLeft, min(at.high, v.marks.readKey+1) // below the watermark only what was left unread by hand
	left, err := storedItems(ctx, q, v, sel, at)
	return at.merge(rows, left), err
}

// rowsQuery reads each type as a range of its own in an index, or in the two that share the inbox, at most limit keys
// of each, and fetches the rows that are left after merging the keys. "" = there can be none.
func rowsQuery(v *viewer, sel selection, at span) (string, []any) {
	where := `n.state = 0`
	switch sel.state {
	case inArchived:
		where = `n.state = 1`
	case inUnseen:
		where, at.low = `n.state = 0 AND n.seen_at IS NULL`, max(at.low, v.marks.seenKey)
	case inUnread:
		where, at.low = `n.state = 0 AND n.read_at IS NULL`, max(at.low, v.marks.readKey)
	case inLeft:
		where = `n.state = 0 AND n.left_unread = 1`
	}
	if len(sel.kinds) == 0 || at.low+1 >= at.high {
		return "", nil
	}
	heads := []string{` AND n.head = 1`, ` AND n.head = 0`} // each has its index
	switch {
	case sel.grouped:
		heads = heads[:1]
	case sel.state == inArchived || sel.state == inLeft:
		heads = []string{``}
	}
	column := `n.type`
	if sel.state == inLeft {
		column = `CASE WHEN TRUE THEN n.type END` // keeps the engine to the small index of rows left unread
	}
	args := []any{v.person, at.low, at.high, at.limit}
	var b strings.Builder
	b.Grow(512 + len(sel.kinds)*len(heads)*384)
	b.WriteString(`SELECT ` + rowColumns + ` FROM notifications WHERE key IN (`)
	arms := 0
	for _, kind := range sel.kinds {
		args = append(args, kind)
		this := ` = $` + strconv.Itoa(len(args)) + ` AND ` + where
		if kind == typeCustom && len(sel.words) > 0 {
			var list string
			list, args = storage.In(args, sel.words)
			this += ` AND n.word IN ` + list
		}
		for _, head := range heads {
			if arms > 0 {
				b.WriteString(` UNION ALL `)
			}
			for _, part := range []string{`SELECT n.key AS key FROM notifications n WHERE n.receiver_id = $1 AND `, column, this,
				head, ` AND n.key > $2 AND n.key < $3`, notGone} {
				b.WriteString(part)
			}
			arms++
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
		func(q storage.Querier, v *viewer, w social.Window) ([]row, error) {
			return s.page(ctx, q, v, sel, spanOf(w))
		})
}

// Members gives one page of the members of a group that are shown, newest first. NotFound if there are none.
func (s *Service) Members(ctx context.Context, person, group social.ID,
	page social.PageQuery) (social.List[Notification], error) {
	scope := social.PageScope{List: "notifications/groups", Filter: group.String(), Person: person}
	return s.list(ctx, person, scope, page, false, func(q storage.Querier, v *viewer, w social.Window) ([]row, error) {
		head, err := s.visible(ctx, q, v, group, headOf)
		if err != nil {
			return nil, err
		}
		at := spanOf(w)
		if head.post != nil {
			if head.key <= at.low || head.key >= at.high {
				return nil, nil
			}
			return []row{*head}, nil
		}
		const within = ` AND key > $2 AND key < $3` + notGone
		return storage.All(ctx, q, rowScanner(), `SELECT `+rowColumns+` FROM notifications WHERE key IN (
			SELECT key FROM (SELECT key FROM notifications n
				WHERE `+joiner+within+` ORDER BY key `+at.order()+` LIMIT $4) AS joiners
			UNION ALL SELECT key FROM notifications n WHERE `+founder+within+`) ORDER BY key `+at.order()+` LIMIT $4`,
			group, at.low, at.high, at.limit)
	})
}

func (s *Service) list(ctx context.Context, person social.ID, scope social.PageScope, page social.PageQuery,
	grouped bool,
	fetch func(storage.Querier, *viewer, social.Window) ([]row, error)) (out social.List[Notification], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		v, err := s.viewer(ctx, q, person)
		if err != nil {
			return err
		}
		rows, err := social.PageOf(s.pages, scope, page, false, rowKey,
			func(w social.Window) ([]row, error) { return fetch(q, v, w) })
		if err != nil {
			return err
		}
		out.Next, out.Prev = rows.Next, rows.Prev
		out.Items, err = s.render(ctx, q, v.marks, castOf(nil), rows.Items, grouped)
		return err
	})
	return out, err
}
