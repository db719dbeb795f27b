package bench

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/seed"
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

// readList is a list as one reader sees it, with its expected items.
type readList struct {
	pages  client.Pages
	rising bool     // ids rise from item to item; else they fall. Those of a past rise with its order keys
	want   []string // the ids, as far as the past tells them; nil = only their order is known

	at   int // items seen
	last string
}

// list gives a list of the site for a reader.
func (s *site) list(name string, reader int) *readList {
	l := &readList{pages: client.Pages{Who: s.people.List[reader], Args: fmt.Sprintf("limit=%d", pageSize)}}
	switch name {
	case homeList:
		l.pages.Path, l.want = "/v1/timelines/home", s.timeline(reader)
	case newsList:
		l.pages.Path = "/v1/notifications"
	case storedList:
		l.pages.Path = "/v1/notifications"
		l.pages.Args += "&types=like,comment,reply,mention,follow,system,custom"
	case threadList:
		l.pages.Path, l.rising = "/v1/posts/"+s.people.Threads[0].ID.String()+"/comments", true
	case followersList:
		l.pages.Path = "/v1/users/" + s.people.List[1].ID.String() + "/followers"
	}
	return l
}

// timeline gives the ids of a reader's home timeline, newest first.
func (s *site) timeline(reader int) (ids []string) {
	sees := make(map[int]bool, len(s.follows[reader])+1)
	sees[reader] = true
	for _, author := range s.follows[reader] {
		sees[author] = true
	}
	for _, list := range [][]seed.Post{s.people.Posts, s.people.Threads} {
		for _, p := range slices.Backward(list) {
			if sees[p.Author] {
				ids = append(ids, p.ID.String())
			}
		}
	}
	return ids
}

// check checks that no item of the next page is missing, doubled or out of order.
func (l *readList) check(checked *client.Checked, ids []string) {
	for _, id := range ids {
		switch {
		case l.last != "" && id == l.last:
			checked.Doubled++
			checked.Fault("%s: %s is there twice", l.pages.Path, id)
		case l.last != "" && (id > l.last) != l.rising:
			checked.Disordered++
			checked.Fault("%s: %s stands behind %s", l.pages.Path, id, l.last)
		case l.want != nil && (l.at >= len(l.want) || l.want[l.at] != id):
			checked.Lost++
			checked.Fault("%s: item %d is %s", l.pages.Path, l.at, id)
		}
		l.last = id
		l.at++
	}
	checked.Deliveries += int64(len(ids))
}

// collect walks a list of a site down to the deepest page asked for, checks every item on the way, and keeps the
// pages that are to be measured.
func (f *read) collect(b *Bench, s *site, name string) error {
	c := client.NewCaller(s.server.Address)
	defer c.Close()
	l := s.list(name, 0)
	deepest, whole := max(slices.Max(f.deep), 1), true
	return l.pages.Walk(c, func(page int, cursor string, body []byte, ids []string) error {
		b.Progress(name+" "+short(s.size), page, deepest)
		l.check(&b.Report.Checked, ids)
		if !whole {
			b.Report.Checked.Lost++
			b.Report.Checked.Fault("%s: page %d is not full, and there are more", l.pages.Path, page-1)
		}
		full := len(ids) == pageSize
		whole = full
		if full && (page == 1 || slices.Contains(f.deep, page)) {
			f.variants[name] = append(f.variants[name],
				&variant{site: s, page: page, who: l.pages.Who, path: l.pages.At(cursor), body: bytes.Clone(body)})
		}
		if page == 1 && !full {
			return fmt.Errorf("%d items on the first page", len(ids))
		}
		if page == deepest {
			return client.ErrEnd
		}
		return nil
	})
}
