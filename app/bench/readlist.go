package bench

import (
	"bytes"
	"fmt"
	"slices"
)

// The lists that are read.
const (
	homeList      = "home"
	newsList      = "notifications"
	storedList    = "notifications of acts"
	threadList    = "thread"
	followersList = "followers"
)

var listNames = []string{homeList, newsList, storedList, threadList, followersList}

// readList is a list as one reader sees it, with what has to be on it.
type readList struct {
	pages  pages
	rising bool     // ids rise from item to item; else they fall. Those of a past rise with its order keys
	want   []string // the ids, as far as the past tells them; nil = only their order is known

	at   int // items seen
	last string
}

// list gives a list of the site for a reader.
func (s *site) list(name string, reader int) *readList {
	l := &readList{pages: pages{who: s.people.List[reader], args: fmt.Sprintf("limit=%d", pageSize)}}
	switch name {
	case homeList:
		l.pages.path, l.want = "/v1/timelines/home", s.timeline(reader)
	case newsList:
		l.pages.path = "/v1/notifications"
	case storedList:
		l.pages.path = "/v1/notifications"
		l.pages.args += "&types=like,comment,reply,mention,follow,system,custom"
	case threadList:
		l.pages.path, l.rising = "/v1/posts/"+s.people.Threads[0].ID.String()+"/comments", true
	case followersList:
		l.pages.path = "/v1/users/" + s.people.List[1].ID.String() + "/followers"
	}
	return l
}

// timeline is what stands in a reader's home timeline, newest first.
func (s *site) timeline(reader int) (ids []string) {
	sees := make(map[int]bool, len(s.follows[reader])+1)
	sees[reader] = true
	for _, author := range s.follows[reader] {
		sees[author] = true
	}
	for _, list := range [][]Post{s.people.Posts, s.people.Threads} {
		for _, p := range slices.Backward(list) {
			if sees[p.Author] {
				ids = append(ids, p.ID.String())
			}
		}
	}
	return ids
}

// check looks at the next page: that nothing is missing, doubled or out of order.
func (l *readList) check(checked *Checked, ids []string) {
	for _, id := range ids {
		switch {
		case l.last != "" && id == l.last:
			checked.Doubled++
			checked.Fault("%s: %s is there twice", l.pages.path, id)
		case l.last != "" && (id > l.last) != l.rising:
			checked.Disordered++
			checked.Fault("%s: %s stands behind %s", l.pages.path, id, l.last)
		case l.want != nil && (l.at >= len(l.want) || l.want[l.at] != id):
			checked.Lost++
			checked.Fault("%s: item %d is %s", l.pages.path, l.at, id)
		}
		l.last = id
		l.at++
	}
	checked.Deliveries += int64(len(ids))
}

// collect walks a list of a site down to the deepest page asked for, checks every item on the way, and keeps the
// pages that are to be measured.
func (f *read) collect(b *Bench, s *site, name string) error {
	c := newCaller(s.server)
	defer c.close()
	l := s.list(name, 0)
	deepest, whole := max(slices.Max(f.deep), 1), true
	return l.pages.walk(c, func(page int, cursor string, body []byte, ids []string) error {
		b.Progress(name+" "+short(s.size), page, deepest)
		l.check(&b.Report.Checked, ids)
		if !whole {
			b.Report.Checked.Lost++
			b.Report.Checked.Fault("%s: page %d is not full, and there are more", l.pages.path, page-1)
		}
		full := len(ids) == pageSize
		whole = full
		if full && (page == 1 || slices.Contains(f.deep, page)) {
			f.variants[name] = append(f.variants[name],
				&variant{site: s, page: page, who: l.pages.who, path: l.pages.at(cursor), body: bytes.Clone(body)})
		}
		if page == 1 && !full {
			return fmt.Errorf("%d items on the first page", len(ids))
		}
		if page == deepest {
			return errEnd
		}
		return nil
	})
}
