package notifications_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

// entry is a notification of the model. There are no watermarks, keys or heads in it: marking is done to each
// entry, groups are sought by looking through all.
type entry struct {
	what      string // type, actor and object in words
	actor     string
	author    string // of a derived item: whose bell decides
	key       string // what it is grouped by; "" = never
	group     *group
	gone      bool
	deleted   bool
	goneAt    time.Time
	seen      bool
	read      bool
	archived  bool
	postDead  bool
	namesPost social.ID // a row about a post: the derived item is not there
	post      social.ID // of a derived item
}

type group struct{ began time.Time }

// model is what alice is told, oldest first.
type model struct {
	entries []*entry
	bells   map[string]bool
	now     time.Time
}

func (m *model) shown(e *entry) bool {
	if e.gone || e.deleted || e.postDead {
		return false
	}
	if e.author == "" {
		return true
	}
	return m.bells[e.author] && !slices.ContainsFunc(m.entries,
		func(o *entry) bool { return o.namesPost == e.post && !o.postDead })
}

// members gives who is shown of a group, newest first.
func (m *model) members(e *entry) []*entry {
	var out []*entry
	for _, o := range slices.Backward(m.entries) {
		if o.group == e.group && m.shown(o) {
			out = append(out, o)
		}
	}
	return out
}

func (m *model) list(state string, grouped bool) []*entry {
	var out []*entry
	for _, e := range slices.Backward(m.entries) {
		if !m.shown(e) || e.archived != (state == "archived") || state == "unseen" && e.seen || state == "unread" && e.read {
			continue
		}
		if grouped && m.members(e)[0] != e {
			continue
		}
		out = append(out, e)
	}
	return out
}

func (m *model) act(what, actor, key string) {
	for _, e := range m.entries {
		if e.what != what || e.postDead || e.author != "" {
			continue
		}
		switch {
		case !e.gone || e.deleted:
			return
		case m.now.Sub(e.goneAt) < 24*time.Hour:
			e.gone = false
			return
		}
		m.entries = slices.DeleteFunc(m.entries, func(o *entry) bool { return o == e })
		break
	}
	m.add(&entry{what: what, actor: actor, key: key})
}

func (m *model) add(e *entry) *entry {
	e.group = &group{began: m.now}
	if e.key != "" {
		for _, o := range slices.Backward(m.entries) {
			if o.key == e.key && m.shown(o) {
				if !o.seen && m.now.Sub(o.group.began) < 24*time.Hour {
					e.group = o.group
				}
				break
			}
		}
	}
	m.entries = append(m.entries, e)
	return e
}

func (m *model) leave(e *entry) {
	before := m.members(e)
	e.gone, e.goneAt = true, m.now
	if len(before) > 1 && before[0] == e { // the next newest stands for the group now
		before[1].seen = before[1].seen || e.seen
		before[1].read = before[1].read || e.read
	}
}

func (m *model) undo(what string) {
	for _, e := range m.entries {
		if e.what == what && m.shown(e) {
			m.leave(e)
		}
	}
}

// upTo marks e and all older ones, shown or not, if that changes anything that is shown.
func (m *model) upTo(e *entry, state string) {
	i := slices.Index(m.entries, e)
	if !slices.ContainsFunc(m.list(state, false), func(o *entry) bool { return slices.Index(m.entries, o) <= i }) {
		return
	}
	for _, o := range m.entries[:i+1] {
		o.seen = true
		o.read = o.read || state == "unread"
	}
}

func (m *model) counts() notifications.Counts {
	c := notifications.Counts{ByType: map[string]int{}}
	for _, e := range m.list("inbox", true) {
		var kind string
		fmt.Sscan(e.what, &kind)
		if !e.seen {
			c.Unseen++
		}
		if !e.read {
			c.Unread++
			c.ByType[kind]++
		}
	}
	return c
}
