package plugins_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

func TestChooseWay(t *testing.T) {
	for accept, want := range map[string]plugins.Way{
		"":                                    plugins.WayJSON,
		"  ":                                  plugins.WayJSON,
		"*/*":                                 plugins.WayJSON,
		"application/json":                    plugins.WayJSON,
		"application/*":                       plugins.WayJSON,
		"text/event-stream":                   plugins.WayStream,
		"Text/Event-Stream":                   plugins.WayStream,
		"text/event-stream;charset=utf-8":     plugins.WayStream,
		"text/event-stream, */*":              plugins.WayStream,
		"text/event-stream;q=0.1, */*":        plugins.WayStream,
		"text/event-stream, application/json": plugins.WayStream, // not below
		"text/event-stream;q=0.5, application/json;q=0.5":    plugins.WayStream,
		"text/event-stream;q=0.4, application/json;q=0.5":    plugins.WayJSON,
		"application/json;q=0, text/event-stream;q=0.001":    plugins.WayStream,
		"text/event-stream;q=0, application/json":            plugins.WayJSON,
		"text/event-stream;q=0, */*":                         plugins.WayJSON,
		"text/event-stream;q=0":                              plugins.WayNone,
		"text/event-stream;Q=0":                              plugins.WayNone,
		"text/event-stream;q=2":                              plugins.WayNone, // not a weight (RFC 9110, 12.4.2)
		"text/event-stream;q=x":                              plugins.WayNone,
		"text/event-stream;q=NaN":                            plugins.WayNone,
		"text/html":                                          plugins.WayNone,
		"text/*":                                             plugins.WayNone, // does not name it
		"application/json;q=0":                               plugins.WayNone,
		"application/json;q=0, */*":                          plugins.WayNone, // the more specific range decides
		"text/event-stream;q=0.5;q=0":                        plugins.WayNone,
		",,;=,;q=1":                                          plugins.WayNone,
		"text/html, application/xhtml+xml, */*;q=0.8":        plugins.WayJSON,
		" text/event-stream ; q = 1 , application/json;q=.9": plugins.WayStream,
	} {
		if got := plugins.ChooseWay(accept); got != want {
			t.Errorf("Accept %q: way %d, want %d", accept, got, want)
		}
	}
}

func ask(query string, headers ...string) plugins.Params {
	p := plugins.Params{Header: func(name string) string {
		for _, h := range headers {
			if k, v, _ := strings.Cut(h, ": "); strings.EqualFold(k, name) {
				return v
			}
		}
		return ""
	}}
	if query != "" {
		for _, part := range strings.Split(query, "&") {
			k, v, _ := strings.Cut(part, "=")
			p.Query = append(p.Query, [2]string{k, v})
		}
	}
	return p
}

func TestParseEventsFaults(t *testing.T) {
	for query, want := range map[string]string{
		"types=nonsense":             "/types bad_format",
		"types=":                     "/types bad_format",
		"types=post,":                "/types bad_format",
		"types=ready":                "/types bad_format",
		"types=audience.changed":     "/types bad_format",
		"types=access":               "/types bad_format",
		"types=pos":                  "/types bad_format",
		"types= post":                "/types bad_format",
		"posts=":                     "/posts bad_format",
		"posts=ALL":                  "/posts bad_format",
		"payload=thin":               "/payload not_allowed",
		"payload=":                   "/payload not_allowed",
		"limit=0":                    "/limit too_small",
		"limit=-1":                   "/limit too_small",
		"limit=101":                  "/limit too_large",
		"limit=1e9":                  "/limit bad_format",
		"limit=":                     "/limit bad_format",
		"limit=007":                  "/limit bad_format",
		"limit=+5":                   "/limit bad_format",
		"limit=99999999999999999999": "/limit bad_format",
		"wait=61":                    "/wait too_large",
		"wait=-1":                    "/wait too_small",
		"wait=1.5":                   "/wait bad_format",
		"after=now&after=now":        "/after duplicate",
		"types=post&types=post":      "/types duplicate",
		"user_id=1":                  "/user_id unknown_field",
		"Types=post":                 "/Types unknown_field",
		"=":                          "/ unknown_field",
		"limit=0&wait=61&x=1":        "/limit too_small /wait too_large /x unknown_field",
	} {
		_, err := plugins.ParseEvents(ask(query))
		var f *social.Fault
		if !errors.As(err, &f) || f.Code != social.CodeValidationFailed {
			t.Errorf("%s: got %v, want validation_failed", query, err)
			continue
		}
		var got []string
		for _, field := range f.Fields {
			got = append(got, field.Pointer+" "+string(field.Code))
			if field.In != "query" || field.Detail == "" {
				t.Errorf("%s: %+v", query, field)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

func TestParseEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		params plugins.Params
		want   func(q plugins.EventsQuery) bool
	}{
		"defaults": {ask(""), func(q plugins.EventsQuery) bool {
			return q.Limit == 20 && q.Wait == 0 && q.Posts == social.PostsNotify && q.Preferred == -1 && q.Ticket == ""
		}},
		"limits": {ask("limit=100&wait=60"), func(q plugins.EventsQuery) bool {
			return q.Limit == 100 &&
				q.Wait == time.Minute
		}},
		"least": {ask("limit=1&wait=0"), func(q plugins.EventsQuery) bool {
			return q.Limit == 1 &&
				q.Wait == 0
		}},
		"prefer": {ask("", "Prefer: wait=20"),
			func(q plugins.EventsQuery) bool { return q.Wait == 20*time.Second && q.Preferred == 20 }},
		"prefer among others": {ask("", "Prefer: respond-async, WAIT = \"7\""),
			func(q plugins.EventsQuery) bool { return q.Wait == 7*time.Second && q.Preferred == 7 }},
		"prefer is cut": {ask("", "Prefer: wait=600"),
			func(q plugins.EventsQuery) bool { return q.Wait == time.Minute && q.Preferred == 60 }},
		"prefer that is no number": {ask("", "Prefer: wait=soon"), func(q plugins.EventsQuery) bool {
			return q.Wait == 0 &&
				q.Preferred == -1
		}},
		"wait wins over prefer": {ask("wait=3", "Prefer: wait=20"),
			func(q plugins.EventsQuery) bool { return q.Wait == 3*time.Second && q.Preferred == -1 }},
		"wait=0 wins over prefer": {ask("wait=0", "Prefer: wait=20"),
			func(q plugins.EventsQuery) bool { return q.Wait == 0 && q.Preferred == -1 }},
		"posts": {ask("posts=all"),
			func(q plugins.EventsQuery) bool { return q.Posts == social.PostsAll }},
		"payload": {ask("payload=full"), func(plugins.EventsQuery) bool { return true }},
		"ticket":  {ask("ticket=bft_x"), func(q plugins.EventsQuery) bool { return q.Ticket == "bft_x" }},
	} {
		q, err := plugins.ParseEvents(tt.params)
		if err != nil || !tt.want(q) {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

func TestShows(t *testing.T) {
	all := []string{social.EventNotification, social.EventNotificationUpdated, social.EventNotificationRemoved,
		social.EventReadState, social.EventFollowChanged,
		social.EventPostCreated, social.EventPostUpdated, social.EventPostDeleted}
	for query, want := range map[string][]string{
		"":                              all,
		"types=notification":            all[:3],
		"types=post":                    all[5:],
		"types=post.created":            {social.EventPostCreated},
		"types=read_state,post.deleted": {social.EventReadState, social.EventPostDeleted},
		"types=follow":                  {social.EventFollowChanged},
		"types=notification,notification.removed": all[:3],
	} {
		q, err := plugins.ParseEvents(ask(query))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, typ := range all {
			if q.Shows(social.Event{Type: typ}) {
				got = append(got, typ)
			}
			if q.Shows(social.Event{Type: typ, Internal: true}) {
				t.Errorf("%s: an internal %s is shown", query, typ)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: shows %v, want %v", query, got, want)
		}
		if q.Shows(social.Event{Type: "invented.later"}) != (query == "") {
			t.Errorf("%s: a type that is new here", query)
		}
	}
}

// A log that keeps what stands above 10, up to 20, in epoch 3.
var kept = plugins.Kept{Floor: 10, Head: 20, Epochs: plugins.Epochs{{Number: 3}}}

// TestStart is the table of what an id means (2.3) and of ids that cannot be honoured (2.5).
func TestStart(t *testing.T) {
	for name, tt := range map[string]struct {
		params   plugins.Params
		after    string
		honoured bool
		gap      string // from, to, reason
	}{
		"nothing given":            {ask(""), "3-20", false, ""},
		"now":                      {ask("after=now"), "3-20", false, ""},
		"oldest":                   {ask("after=oldest"), "3-10", false, ""},
		"empty is absent":          {ask("after=&lastEventId=", "Last-Event-ID: "), "3-20", false, ""},
		"an id":                    {ask("after=3-15"), "3-15", true, ""},
		"the head":                 {ask("after=3-20"), "3-20", true, ""},
		"the oldest cursor":        {ask("after=3-10"), "3-10", true, ""},
		"header wins":              {ask("after=3-11&lastEventId=3-12", "Last-Event-ID: 3-13"), "3-13", true, ""},
		"lastEventId before after": {ask("after=3-11&lastEventId=3-12"), "3-12", true, ""},
		"a bad header wins too":    {ask("after=3-11", "Last-Event-ID: x"), "3-20", false, "0-0 3-20 invalid"},
		"trimmed":                  {ask("after=3-9"), "3-10", false, "3-9 3-10 expired"},
		"the very beginning":       {ask("after=3-0"), "3-10", false, "3-0 3-10 expired"},
		"future":                   {ask("after=3-21"), "3-20", false, "3-21 3-20 future"},
		"far future": {ask("after=3-18446744073709551615"), "3-20", false,
			"3-18446744073709551615 3-20 future"},
		"older epoch":                {ask("after=2-15"), "3-20", false, "2-15 3-20 epoch"},
		"newer epoch":                {ask("after=4-15"), "3-20", false, "4-15 3-20 epoch"},
		"a word only after knows":    {ask("lastEventId=oldest"), "3-20", false, "0-0 3-20 invalid"},
		"a word in the header":       {ask("", "Last-Event-ID: now"), "3-20", false, "0-0 3-20 invalid"},
		"the same word in both":      {ask("after=now", "Last-Event-ID: now"), "3-20", false, "0-0 3-20 invalid"},
		"lastEventId like after":     {ask("after=oldest&lastEventId=oldest"), "3-20", false, "0-0 3-20 invalid"},
		"epoch 0":                    {ask("after=0-15"), "3-20", false, "0-0 3-20 invalid"},
		"leading zero":               {ask("after=3-015"), "3-20", false, "0-0 3-20 invalid"},
		"beyond uint32":              {ask("after=4294967296-1"), "3-20", false, "0-0 3-20 invalid"},
		"beyond uint64":              {ask("after=3-18446744073709551616"), "3-20", false, "0-0 3-20 invalid"},
		"NUL":                        {ask("after=3-15\x00"), "3-20", false, "0-0 3-20 invalid"},
		"space":                      {ask("after= 3-15"), "3-20", false, "0-0 3-20 invalid"},
		"sign":                       {ask("after=3-+5"), "3-20", false, "0-0 3-20 invalid"},
		"other digits":               {ask("after=3-１５"), "3-20", false, "0-0 3-20 invalid"},
		"8 KB":                       {ask("after=3-" + strings.Repeat("1", 8<<10)), "3-20", false, "0-0 3-20 invalid"},
		"the first id of a tutorial": {ask("", "Last-Event-ID: id"), "3-20", false, "0-0 3-20 invalid"},
		"millis":                     {ask("", "Last-Event-ID: 42_1631593143664"), "3-20", false, "0-0 3-20 invalid"},
	} {
		q, err := plugins.ParseEvents(tt.params)
		if err != nil {
			t.Errorf("%s: an id is never a fault: %v", name, err)
			continue
		}
		after, honoured, gap := q.Start(kept)
		got := ""
		if gap != nil {
			got = gap.From.String() + " " + gap.To.String() + " " + string(gap.Reason)
		}
		if after.String() != tt.after || honoured != tt.honoured || got != tt.gap {
			t.Errorf("%s: after %s, honoured %v, gap %q; want %s, %v, %q", name, after, honoured, got, tt.after, tt.honoured,
				tt.gap)
		}
	}
}

// FuzzParseEvents: no panic, and what it promises holds for anything.
func FuzzParseEvents(f *testing.F) {
	f.Add("after", "3-15", "types", "post", "", "", "text/event-stream")
	f.Add("limit", "7", "wait", "60", "3-9", "wait=5", "*/*;q=0.1, application/json;q=0")
	f.Add("posts", "all", "payload", "full", "\x00", "wait=\"9\", wait=1", ";;,q")
	f.Add("lastEventId", "oldest", "after", "oldest", "18446744073709551616-1", "", "")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, id, prefer, accept string) {
		if w := plugins.ChooseWay(accept); w < plugins.WayNone || w > plugins.WayStream {
			t.Fatalf("way %d", w)
		}
		if w := plugins.ChooseWay(accept); w == plugins.WayStream && !strings.Contains(strings.ToLower(accept),
			"text/event-stream") {
			t.Fatalf("%q was taken for a stream", accept)
		}
		q, err := plugins.ParseEvents(plugins.Params{Query: [][2]string{{k1, v1}, {k2, v2}},
			Header: func(name string) string {
				return map[string]string{"Last-Event-ID": id, "Prefer": prefer}[name]
			}})
		if err != nil {
			if !social.IsFault(err, social.CodeValidationFailed) {
				t.Fatalf("%v is no fault a caller may see", err)
			}
			return
		}
		if q.Limit < 1 || q.Limit > 100 || q.Wait < 0 || q.Wait > time.Minute || q.Preferred < -1 || q.Preferred > 60 ||
			k1 == k2 {
			t.Fatalf("%+v", q)
		}
		after, honoured, gap := q.Start(kept)
		if after.Epoch != 3 || after.Seq < 10 || after.Seq > 20 {
			t.Fatalf("reading would begin at %s", after)
		}
		if honoured && gap != nil || gap != nil && gap.To != after {
			t.Fatalf("after %s, honoured %v, gap %v", after, honoured, gap)
		}
		if c, err := social.ParseCursor(id); err == nil && honoured != (c == after) {
			t.Fatalf("header %q: honoured %v, after %s", id, honoured, after)
		}
	})
}
