package plugins

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

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

// EventsQuery is what a client asked of the events; all ways share it.
type EventsQuery struct {
	from   string // "now", "oldest", "cursor" or "invalid"
	cursor Cursor
	types  []string // nil = all
	Posts  PostsMode
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

// ParamsOf copies the parameters out of a request.
func ParamsOf(c *fiber.Ctx) Params {
	p := Params{Header: func(name string) string { return strings.Clone(c.Get(name)) }}
	for key, value := range c.Context().QueryArgs().All() {
		p.Query = append(p.Query, [2]string{string(key), string(value)})
	}
	return p
}

// topTypes are the types of events that clients see.
var topTypes = []string{EventNotification, EventNotificationUpdated, EventNotificationRemoved, EventReadState,
	EventFollowChanged, EventPostCreated, EventPostUpdated, EventPostDeleted, EventUserDeleted}

// ParseEvents reads parameters and headers of GET /v1/events. Faults name every bad parameter. An event id that
// cannot be read is no fault: Start answers it with a gap.
func ParseEvents(p Params) (EventsQuery, error) {
	q := EventsQuery{from: "now", Posts: PostsNotify, Limit: 20, Preferred: -1}
	seen := map[string]string{}
	var bad []Field
	for _, kv := range p.Query {
		name, value := kv[0], kv[1]
		code, detail := q.set(name, value)
		if _, twice := seen[name]; twice {
			code, detail = FieldDuplicate, "Give this parameter once."
		}
		if code != "" {
			bad = append(bad, social.QueryField(name, code, detail))
		}
		seen[name] = value
	}
	if len(bad) > 0 {
		return EventsQuery{}, Invalid(bad...)
	}
	if _, given := seen["wait"]; !given {
		if n, ok := preferWait(p.Header("Prefer")); ok {
			q.Preferred, q.Wait = n, time.Duration(n)*time.Second
		}
	}
	id, after := cmp.Or(p.Header("Last-Event-ID"), seen["lastEventId"]), seen["after"]
	switch {
	case id == "" && (after == "now" || after == "oldest"): // words stand in after only
		q.from = after
	case id != "" || after != "":
		c, err := ParseCursor(cmp.Or(id, after))
		if q.from, q.cursor = "cursor", c; err != nil {
			q.from = "invalid"
		}
	}
	return q, nil
}

// set takes one parameter over, but for the ids; a code says why it is refused.
func (q *EventsQuery) set(name, value string) (code FieldCode, detail string) {
	switch name {
	case "lastEventId", "after":
	case "types":
		if q.types = expandTypes(value); q.types == nil {
			return FieldBadFormat, "A comma list of event types."
		}
	case "posts":
		q.Posts = PostsMode(value)
		if q.Posts != PostsNotify && q.Posts != PostsAll && q.Posts != PostsNone {
			return FieldBadFormat, "One of notify, all, none."
		}
	case "payload":
		if value != "full" {
			return FieldNotAllowed, "Only full is offered."
		}
	case "limit":
		q.Limit, code, detail = boundedInt(value, 1, 100)
	case "wait":
		var n int
		n, code, detail = boundedInt(value, 0, 60)
		q.Wait = time.Duration(n) * time.Second
	case "ticket":
		q.Ticket = value
	default:
		return FieldUnknown, "There is no such parameter."
	}
	return code, detail
}

// Start says from where to read a log that keeps this much. Exactly one of these holds: honoured is
// true (a given cursor is good); gap is not nil (it is not, and reading goes on from gap.To); or neither (no cursor
// was given: now or oldest).
func (q EventsQuery) Start(kept Kept) (after Cursor, honoured bool, gap *GapError) {
	switch q.from {
	case "oldest":
		return kept.Oldest(), false, nil
	case "cursor":
		if gap = kept.GapOf(q.cursor); gap == nil {
			return q.cursor, true, nil
		}
		return gap.To, false, gap
	case "invalid":
		return kept.Newest(), false, &GapError{To: kept.Newest(), Reason: social.GapInvalid}
	default:
		return kept.Newest(), false, nil
	}
}

// Shows reports whether the client wants events of this type. Internal events are shown to nobody.
func (q EventsQuery) Shows(e Event) bool {
	return !e.Internal && (q.types == nil || slices.Contains(q.types, e.Type))
}

// Heal are the lists a client fetches after a gap.
func Heal() []string {
	return []string{"/v1/notifications", "/v1/notifications/counts", "/v1/timelines/home"}
}

// expandTypes gives the types a comma list stands for; nil = one of its names stands for none.
func expandTypes(list string) (out []string) {
	for _, name := range strings.Split(list, ",") {
		n := len(out)
		for _, t := range topTypes {
			if t == name || strings.HasPrefix(t, name+".") {
				out = append(out, t)
			}
		}
		if n == len(out) {
			return nil
		}
	}
	return out
}

func boundedInt(value string, low, high int) (n int, code FieldCode, detail string) {
	n, err := strconv.Atoi(value)
	switch {
	case err != nil || strconv.Itoa(n) != value:
		return 0, FieldBadFormat, "A whole number."
	case n < low:
		return 0, FieldTooSmall, "At least " + strconv.Itoa(low) + "."
	case n > high:
		return 0, FieldTooLarge, "At most " + strconv.Itoa(high) + "."
	}
	return n, "", ""
}

// preferWait reads the first "wait=N" of a Prefer header (RFC 7240), cut to 60.
func preferWait(header string) (int, bool) {
	for item := range social.HeaderList(header) {
		preference, _, _ := strings.Cut(item, ";") // parameters of its own
		k, v, _ := strings.Cut(preference, "=")
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
