package plugins

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// Way is one of the ways to ask for events.
type Way int

// The ways, chosen by Accept.
const (
	WayNone   Way = iota // 406
	WayJSON              // poll, or long poll with wait > 0
	WayStream            // SSE
)

// ChooseWay reads an Accept header: a stream if text/event-stream is named with q > 0 and not below
// application/json; else JSON if that is acceptable (*/* and no header count as JSON).
func ChooseWay(accept string) Way {
	if strings.TrimSpace(accept) == "" {
		return WayJSON
	}
	stream, json, named := -1.0, -1.0, -1.0
	for _, part := range strings.Split(accept, ",") {
		mime, params, _ := strings.Cut(part, ";")
		q := 1.0
		for _, p := range strings.Split(params, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			if strings.EqualFold(strings.TrimSpace(k), "q") {
				f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
				if err != nil || f < 0 || f > 1 {
					f = 0
				}
				q = f
			}
		}
		switch strings.ToLower(strings.TrimSpace(mime)) {
		case "text/event-stream":
			stream = max(stream, q)
		case "application/json":
			named = max(named, q)
		case "application/*", "*/*":
			json = max(json, q)
		}
	}
	if named >= 0 {
		json = named // the more specific range decides
	}
	if stream > 0 && stream >= named {
		return WayStream
	}
	if json > 0 {
		return WayJSON
	}
	return WayNone
}

// EventsQuery is what a client asked of the events; all ways share it.
type EventsQuery struct {
	from   string // "now", "oldest", "cursor" or "invalid"
	cursor social.Cursor
	types  []string // nil = all
	Posts  social.PostsMode
	Limit  int           // 1..100; JSON ways
	Wait   time.Duration // 0..60 s; JSON ways
	Ticket string        // stream only
	// Preferred is the wait taken from a Prefer header, for Preference-Applied; -1 = none.
	Preferred int
}

// Params are the query parameters of a request as name and value pairs in order, and its headers by name.
// All strings must be copies that outlive the request.
type Params struct {
	Query  [][2]string
	Header func(name string) string
}

var topTypes = []string{social.EventNotification, social.EventNotificationUpdated, social.EventNotificationRemoved, social.EventReadState,
	social.EventFollowChanged, social.EventPostCreated, social.EventPostUpdated, social.EventPostDeleted}

// ParseEvents reads parameters and headers of GET /v1/events. Faults name every bad parameter. An event id that
// cannot be read is no fault: Start answers it with a gap.
func ParseEvents(p Params) (EventsQuery, error) {
	q := EventsQuery{from: "now", Posts: social.PostsNotify, Limit: 20, Preferred: -1}
	seen := map[string]string{}
	var bad []social.Field
	for _, kv := range p.Query {
		name, value := kv[0], kv[1]
		if _, twice := seen[name]; twice {
			bad = append(bad, social.QueryField(name, social.FieldDuplicate, "Give this parameter once."))
			continue
		}
		seen[name] = value
		switch name {
		case "lastEventId", "after":
		case "types":
			types, ok := expandTypes(value)
			if !ok {
				bad = append(bad, social.QueryField(name, social.FieldBadFormat, "A comma list of event types."))
			}
			q.types = types
		case "posts":
			q.Posts = social.PostsMode(value)
			if q.Posts != social.PostsNotify && q.Posts != social.PostsAll && q.Posts != social.PostsNone {
				bad = append(bad, social.QueryField(name, social.FieldBadFormat, "One of notify, all, none."))
			}
		case "payload":
			if value != "full" {
				bad = append(bad, social.QueryField(name, social.FieldNotAllowed, "Only full is offered."))
			}
		case "limit":
			n, field := boundedInt(name, value, 1, 100)
			q.Limit, bad = n, append(bad, field...)
		case "wait":
			n, field := boundedInt(name, value, 0, 60)
			q.Wait, bad = time.Duration(n)*time.Second, append(bad, field...)
		case "ticket":
			q.Ticket = value
		default:
			bad = append(bad, social.QueryField(name, social.FieldUnknown, "There is no such parameter."))
		}
	}
	if len(bad) > 0 {
		return EventsQuery{}, social.Invalid(bad...)
	}
	if _, given := seen["wait"]; !given {
		if n, ok := preferWait(p.Header("Prefer")); ok {
			q.Preferred, q.Wait = n, time.Duration(n)*time.Second
		}
	}
	for i, id := range []string{p.Header("Last-Event-ID"), seen["lastEventId"], seen["after"]} {
		if id != "" {
			q.setFrom(id, i == 2) // words stand in after only
			break
		}
	}
	return q, nil
}

func (q *EventsQuery) setFrom(id string, words bool) {
	if words && (id == "now" || id == "oldest") {
		q.from = id
		return
	}
	c, err := social.ParseCursor(id)
	if err != nil {
		q.from = "invalid"
		return
	}
	q.from, q.cursor = "cursor", c
}

// Start says from where to read, now. Exactly one of these holds: honoured is true (a given cursor is good);
// gap is not nil (it is not, and reading goes on from gap.To); or neither (no cursor was given: now or oldest).
func (q EventsQuery) Start(h History) (after social.Cursor, honoured bool, gap *social.GapError) {
	oldest, head := h.Oldest(), h.Head()
	switch q.from {
	case "oldest":
		return oldest, false, nil
	case "cursor":
		g := &social.GapError{From: q.cursor, To: head}
		switch {
		case q.cursor.Epoch != head.Epoch:
			g.Reason = social.GapEpoch
		case q.cursor.Seq > head.Seq:
			g.Reason = social.GapFuture
		case q.cursor.Seq < oldest.Seq:
			g.Reason, g.To = social.GapExpired, oldest
		default:
			return q.cursor, true, nil
		}
		return g.To, false, g
	case "invalid":
		return head, false, &social.GapError{To: head, Reason: social.GapInvalid}
	default:
		return head, false, nil
	}
}

// Shows reports whether the client wants events of this type. Internal events are shown to nobody.
func (q EventsQuery) Shows(e social.Event) bool {
	return !e.Internal && (q.types == nil || slices.Contains(q.types, e.Type))
}

// Heal are the lists a client fetches after a gap.
func Heal() []string {
	return []string{"/v1/notifications", "/v1/notifications/counts", "/v1/timelines/home"}
}

func expandTypes(list string) ([]string, bool) {
	var out []string
	for _, name := range strings.Split(list, ",") {
		n := len(out)
		for _, t := range topTypes {
			if t == name || strings.HasPrefix(t, name+".") {
				out = append(out, t)
			}
		}
		if n == len(out) {
			return nil, false
		}
	}
	return out, true
}

func boundedInt(name, value string, low, high int) (int, []social.Field) {
	n, err := strconv.Atoi(value)
	switch {
	case err != nil || strconv.Itoa(n) != value:
		return 0, []social.Field{social.QueryField(name, social.FieldBadFormat, "A whole number.")}
	case n < low:
		return 0, []social.Field{social.QueryField(name, social.FieldTooSmall, "At least "+strconv.Itoa(low)+".")}
	case n > high:
		return 0, []social.Field{social.QueryField(name, social.FieldTooLarge, "At most "+strconv.Itoa(high)+".")}
	}
	return n, nil
}

// preferWait reads "wait=N" of a Prefer header (RFC 7240), cut to 60.
func preferWait(header string) (int, bool) {
	for _, part := range strings.Split(header, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(strings.TrimSpace(k), "wait") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(v), `"`))
		if err != nil || n < 0 {
			return 0, false
		}
		return min(n, 60), true
	}
	return 0, false
}
