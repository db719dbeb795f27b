package e2e_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver" // the checker reads the file by itself

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// truth is what the relational store says everybody should have been told. It is read from the file, behind the
// program's back, and knows nothing of the log.
type truth struct {
	social.Kept
	rows  []announced
	edges map[edge][]turn
	open  map[social.ID]bool         // readers of whose follows some announcement is redacted: nobody knows what they were
	seen  map[social.Position]string // bytes of events that are redacted by now, as the first client had them
}

// announced is one row of the outbox.
type announced struct {
	seq      social.Position
	at       social.Time
	stream   social.Stream
	internal bool
	text     string // the event as clients have it; "" = redacted
}

// edge is who reads whom.
type edge struct{ reader, author social.ID }

// turn is a change of an edge, at a position.
type turn struct {
	at              social.Position
	following, bell bool
	since           social.Position
}

// openStore opens the file of a data directory for reading.
func openStore(t testing.TB, data string) *sql.DB {
	t.Helper()
	path := filepath.Join(data, sqlite.FileName)
	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// readTruth reads the outbox.
func readTruth(t testing.TB, db *sql.DB) *truth {
	t.Helper()
	x := &truth{edges: map[edge][]turn{}, open: map[social.ID]bool{}, seen: map[social.Position]string{}}
	if err := db.QueryRow(`SELECT floor FROM log_state`).Scan(&x.Floor); err != nil {
		t.Fatal(err)
	}
	each(t, db, `SELECT epoch, after FROM epochs ORDER BY n`, func(rows *sql.Rows) error {
		var e social.Epoch
		err := rows.Scan(&e.Number, &e.After)
		x.Epochs = append(x.Epochs, e)
		return err
	})
	// whose announcement is trimmed
	each(t, db, `SELECT follower_id, followed_id, since, bell FROM follows WHERE since <= $1`, func(rows *sql.Rows) error {
		var e edge
		begin := turn{following: true}
		err := rows.Scan(&e.reader, &e.author, &begin.since, &begin.bell)
		begin.at = begin.since
		x.edges[e] = []turn{begin}
		return err
	}, int64(x.Floor))
	each(t, db, `SELECT id, stream, type, internal, time, data FROM outbox WHERE op = 1 AND set_aside_at IS NULL
		ORDER BY id`, func(rows *sql.Rows) error {
		var r announced
		var stream, data []byte
		var kind string
		if err := rows.Scan(&r.seq, &stream, &kind, &r.internal, &r.at, &data); err != nil {
			return err
		}
		var err error
		if r.stream, err = social.StreamOf(stream); err != nil {
			return err
		}
		if data != nil {
			r.text = fmt.Sprintf(`{"id":"%s","type":"%s","time":"%s","data":%s}`, x.Cursor(r.seq), kind, r.at, data)
		}
		if kind == "follow.changed" {
			x.turn(r, data)
		}
		x.rows = append(x.rows, r)
		return nil
	})
	return x
}

func (x *truth) turn(r announced, data []byte) {
	var rel struct {
		UserID social.ID `json:"user_id"`
		Follow string
		Notify bool
	}
	if json.Unmarshal(data, &rel) != nil {
		x.open[r.stream.User] = true
		return
	}
	e := edge{r.stream.User, rel.UserID}
	now := turn{at: r.seq, following: rel.Follow == "following", bell: rel.Notify}
	if list := x.edges[e]; now.following {
		now.since = r.seq
		if len(list) > 0 && list[len(list)-1].following {
			now.since = list[len(list)-1].since
		}
	}
	x.edges[e] = append(x.edges[e], now)
}

// verdict is whether a reader has to have an event.
type verdict int

const (
	never verdict = iota
	maybe         // shown while it stood or while the follow lasted: the two roads may differ
	must
)

// judge models what a person reads: live by the relation at that moment, a replay by the relation at any later one.
// If all of them agree, so do the roads.
func (x *truth) judge(who social.ID, mode string, r announced) verdict {
	v := never
	switch {
	case r.internal:
		return never
	case r.stream.Kind == social.To:
		if r.stream.User == who {
			v = must
		}
	case r.stream.User == who:
		if mode == "all" {
			v = must
		}
	case mode != "none":
		v = x.follows(edge{who, r.stream.User}, mode, r.seq)
	}
	if v == must && r.text == "" {
		return maybe
	}
	return v
}

func (x *truth) follows(e edge, mode string, at social.Position) verdict {
	if x.open[e.reader] {
		return maybe
	}
	shown, hidden := false, false
	list := x.edges[e]
	for i, t := range list {
		if i+1 < len(list) && list[i+1].at < at {
			continue // over before the event
		}
		if t.at > at && i == 0 {
			hidden = true // there was nothing yet
		}
		ok := t.following && t.since < at && (mode == "all" || t.bell)
		shown, hidden = shown || ok, hidden || !ok
	}
	switch {
	case shown && hidden:
		return maybe
	case shown:
		return must
	}
	return never
}

// check compares a client's history with the truth and returns what is wrong, at most a few lines, and how many
// events it had. A gap excuses what lies before its end.
func (x *truth) check(h *history) (wrong []string, events int) {
	say := func(format string, args ...any) {
		if len(wrong) < 8 {
			wrong = append(wrong, fmt.Sprintf("%s posts=%s: ", h.Who.Name, h.Mode)+fmt.Sprintf(format, args...))
		}
	}
	for _, f := range h.Faults {
		say("%s", f)
	}
	got := make(map[social.Position]delivered, len(h.Got))
	last := social.Cursor{}
	restored := slices.ContainsFunc(h.Gaps, func(g gapSeen) bool { return g.Reason == string(social.GapEpoch) })
	for _, d := range h.Got {
		if (d.ID.Epoch == last.Epoch || !restored) && d.ID.Seq <= last.Seq {
			say("%s by %s is doubled or out of order: it came after %s", d.ID, d.Road, last)
		}
		last = d.ID
		if d.ID == x.Cursor(d.ID.Seq) {
			got[d.ID.Seq] = d
		} else if !restored {
			say("%s by %s is an id that nothing has", d.ID, d.Road)
		}
	}
	from := h.From
	for _, g := range h.Gaps {
		from = g.To
	}
	known := from == first || from == x.Cursor(from.Seq) // or it is of what a restore has lost
	for _, r := range x.rows {
		d, has := got[r.seq]
		delete(got, r.seq)
		v := x.judge(h.Who.ID, h.Mode, r)
		switch {
		case has && v == never:
			say("%d by %s is extra: %s", r.seq, d.Road, d.JSON)
		case has && r.text != "" && d.JSON != r.text:
			say("%d by %s has other bytes:\n got %s\nwant %s", r.seq, d.Road, d.JSON, r.text)
		case has && r.text == "":
			if before, ok := x.seen[r.seq]; ok && before != d.JSON {
				say("%d by %s has other bytes than another client had:\n%s\n%s", r.seq, d.Road, d.JSON, before)
			}
			x.seen[r.seq] = d.JSON
		case !has && v == must && known && h.Last == x.Cursor(h.Last.Seq) && r.seq > from.Seq && r.seq <= h.Last.Seq:
			say("%d is missing: %s", r.seq, r.text)
		}
	}
	for seq, d := range got {
		if seq > x.Floor {
			say("%d by %s was shown and is nowhere: %s", seq, d.Road, d.JSON)
		}
	}
	return wrong, len(h.Got)
}

// checkAll checks many histories and returns the number of deliveries.
func (x *truth) checkAll(t testing.TB, list ...*history) (deliveries int) {
	t.Helper()
	for _, h := range list {
		wrong, n := x.check(h)
		if len(wrong) > 0 {
			t.Errorf("%d events:\n%s", n, strings.Join(wrong, "\n"))
		}
		deliveries += n
	}
	return deliveries
}

// each reads all rows of a query.
func each(t testing.TB, db *sql.DB, query string, scan func(*sql.Rows) error, args ...any) {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// none says what each row of a query is, which has to have none.
func none(t testing.TB, db *sql.DB, what, query string, args ...any) {
	t.Helper()
	n := 0
	each(t, db, query, func(rows *sql.Rows) error {
		if n++; n > 3 {
			return nil
		}
		var v any
		if err := rows.Scan(&v); err != nil {
			return err
		}
		if b, ok := v.([]byte); ok {
			v = fmt.Sprintf("%x", b)
		}
		t.Errorf("%s: %v", what, v)
		return nil
	}, args...)
	if n > 3 {
		t.Errorf("%s: %d in all", what, n)
	}
}

// TestChecker: the checker finds what it is there for.
func TestChecker(t *testing.T) {
	who, author := member{ID: social.NewID(), Name: "reader"}, social.NewID()
	to, by := social.Stream{Kind: social.To, User: who.ID}, social.Stream{Kind: social.By, User: author}
	text := func(seq int) string { return fmt.Sprintf(`{"id":"1-%d","type":"x","data":%d}`, seq, seq) }
	x := &truth{Kept: social.Kept{Epochs: social.Epochs{{Number: 1}}}, edges: map[edge][]turn{}, seen: map[social.Position]string{}}
	for seq, s := range []social.Stream{1: to, 2: to, 3: by, 4: to, 5: {Kind: social.To, User: author}, 6: to, 7: by,
		8: to} {
		if seq > 0 {
			x.rows = append(x.rows, announced{seq: social.Position(seq), stream: s, text: text(seq)})
		}
	}
	good := []int{1, 2, 3, 4, 6, 7, 8}
	for name, tt := range map[string]struct {
		got  []int
		turn social.Position // where the follow ends
		bad  string
	}{
		"right":                       {good, 0, ""},
		"may be hidden by a toggle":   {[]int{1, 2, 4, 6, 8}, 100, ""},
		"missing":                     {[]int{1, 2, 3, 6, 7, 8}, 0, "4 is missing"},
		"missing of the followed":     {[]int{1, 2, 4, 6, 7, 8}, 0, "3 is missing"},
		"extra":                       {[]int{1, 2, 3, 4, 5, 6, 7, 8}, 0, "5 by test is extra"},
		"extra after the follow":      {good, 6, "7 by test is extra"},
		"doubled":                     {[]int{1, 2, 2, 3, 4, 6, 7, 8}, 0, "doubled"},
		"out of order":                {[]int{1, 3, 2, 4, 6, 7, 8}, 0, "out of order"},
		"nowhere":                     {append(good, 9), 0, "nowhere"},
		"another person's bytes":      {[]int{1, 2, 3, 4, 6, 7, -8}, 0, "other bytes"},
		"nothing is not enough":       {nil, 0, "1 is missing"},
		"the first is missing":        {good[1:], 0, "1 is missing"},
		"the last is missing, judged": {good[:6], 0, "8 is missing"},
	} {
		list := []turn{{at: 2, following: true, bell: true, since: 2}}
		if tt.turn > 0 {
			list = append(list, turn{at: tt.turn})
		}
		x.edges[edge{who.ID, author}] = list
		h := &history{Who: who, Mode: "notify", From: social.Cursor{Epoch: 1}, Last: social.Cursor{Epoch: 1, Seq: 8}}
		for _, seq := range tt.got {
			d := delivered{social.Cursor{Epoch: 1, Seq: social.Position(max(seq, -seq))}, text(seq), "test"}
			h.Got = append(h.Got, d)
		}
		wrong, _ := x.check(h)
		if found := strings.Join(wrong, "\n"); (tt.bad == "") != (found == "") || !strings.Contains(found, tt.bad) {
			t.Errorf("%s: found %q, want %q", name, found, tt.bad)
		}
	}
}
