package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage/outbox"
)

// TestResume (P6): with whatever id a client comes, by stream or by poll, it gets exactly what it lacks, or a gap
// with its reason; never silence, never another answer.
func TestResume(t *testing.T) {
	_, rng := luck(t)
	w := startWorld(t, nil, 4)
	w.stormed(20, rng.Uint64())
	trim := outbox.TrimJob(w.db, w.log, time.Now, time.Nanosecond, 0)
	for more := true; more; {
		var err error
		if more, err = trim.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	floor := w.log.Kept().Oldest()
	if floor.Seq == 0 {
		t.Fatal("nothing was trimmed")
	}
	s := newStorm(w.URL, w.People, w.Service, newGate())
	s.gate.set(true)
	s.unlike = false // what is expected has to be sure
	s.all(t.Context(), 30, rng)
	w.settle()
	x, head := readTruth(t, openStore(t, w.Data)), w.log.Head()
	reasons := map[string]int{}
	for range number(t, "IDS", 300) {
		who, id := w.People[rng.IntN(len(w.People))], someID(rng, floor, head)
		from, reason := x.resumes(id, floor, head)
		reasons[reason]++
		var want []string
		for _, r := range x.rows {
			if r.seq > from.Seq && r.seq <= head.Seq && x.judge(who.ID, "all", r) == must {
				want = append(want, r.text)
			}
		}
		header := "Last-Event-ID: " + id
		if validHeader(id) {
			resumeByStream(t, w, who, header, reason, from, want)
		}
		resumeByPoll(t, w, who, id, reason, from, want)
	}
	for _, reason := range []string{"", "expired", "epoch", "future", "invalid"} {
		if reasons[reason] == 0 {
			t.Errorf("no id gave %q: %v", reason, reasons)
		}
	}
	t.Logf("%v", reasons)
}

// someID is an id as chance has it.
func someID(rng *rand.Rand, floor, head social.Cursor) string {
	between := func(low, high social.Position) uint64 { return uint64(low) + rng.Uint64N(uint64(high-low)+1) }
	switch rng.IntN(8) {
	case 0:
		return fmt.Sprintf("%d-%d", head.Epoch, between(0, floor.Seq-1))
	case 1:
		return fmt.Sprintf("%d-%d", 2+rng.Uint32N(1<<31), between(0, head.Seq+10))
	case 2:
		return fmt.Sprintf("%d-%d", head.Epoch, between(head.Seq+1, head.Seq+1000))
	case 3:
		junk := []string{"0", "x", "1-", "-1", "01-5", "1-05", "1-5 ", "1-5-5", "1:5", "1-99999999999999999999",
			"99999999999-1", "1-\x7f", "é-1", "42_1631593143664",
			strings.Repeat("9", 65), strings.Repeat("1-", 4000), "1-5\u2028", "null", "🔔"}
		return junk[rng.IntN(len(junk))]
	default: // the reader's own, another's, or nobody's
		return fmt.Sprintf("%d-%d", head.Epoch, between(floor.Seq, head.Seq))
	}
}

// resumes is where a client with an id goes on, and why it has lost something.
func (x *truth) resumes(id string, floor, head social.Cursor) (from social.Cursor, reason string) {
	c, err := social.ParseCursor(strings.TrimRight(id, " ")) // a header's end is trimmed (RFC 9110 5.5)
	switch {
	case err != nil:
		return head, "invalid"
	case c != x.Cursor(c.Seq):
		return head, "epoch"
	case c.Seq > head.Seq:
		return head, "future"
	case c.Seq < floor.Seq:
		return floor, "expired"
	}
	return c, ""
}

func validHeader(id string) bool { return !strings.ContainsAny(id, "\x7f\r\n\x00") }

func resumeByStream(t *testing.T, w *world, who member, header, reason string, from social.Cursor, want []string) {
	t.Helper()
	req, err := http.NewRequest("GET", w.URL+"/v1/events?posts=all", nil)
	if err != nil {
		t.Fatal(err)
	}
	name, id, _ := strings.Cut(header, ": ")
	for k, v := range map[string]string{"Accept": "text/event-stream", "Authorization": "Bearer " + who.Token, name: id} {
		req.Header.Set(k, v)
	}
	began := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("id %q: %+v, %v", id, resp, err)
	}
	defer resp.Body.Close()
	timer := time.AfterFunc(deadline, func() { _ = resp.Body.Close() })
	defer timer.Stop()
	blocks := bufio.NewReader(resp.Body)
	next := func() block {
		b, err := nextBlock(blocks)
		if err != nil {
			t.Fatalf("id %q: %v", id, err)
		}
		return b
	}
	ready := next()
	if reason == "" && ready.ID != from.String() || reason != "" && ready.ID != "" || !strings.Contains(ready.Data,
		fmt.Sprintf(`"resumed":%v`, reason == "")) {
		t.Errorf("id %q: %+v", id, ready)
	}
	if reason != "" {
		gap := next()
		var g struct{ Reason, To string }
		decode(t, []byte(gap.Data), &g)
		if gap.Event != "gap" || g.Reason != reason || g.To != from.String() || gap.ID != g.To {
			t.Errorf("id %q: %+v, want %s to %s", id, gap, reason, from)
		}
		if took := time.Since(began); took > deadline/4 {
			t.Errorf("id %q: the gap took %v", id, took)
		}
	}
	for i, text := range want {
		if b := next(); b.Data != text {
			t.Fatalf("id %q, event %d of %d:\n got %s\nwant %s", id, i, len(want), b.Data, text)
		}
	}
}

func resumeByPoll(t *testing.T, w *world, who member, id, reason string, from social.Cursor, want []string) {
	t.Helper()
	me := newCaller(w.URL, who.Token)
	defer me.http.CloseIdleConnections()
	const path = "/v1/events?posts=all&limit=100&after="
	if strings.HasSuffix(id, " ") {
		from, reason = social.Cursor{}, "invalid" // here nothing is trimmed
	}
	after := url.QueryEscape(id)
	if reason != "" {
		var problem struct {
			Code string
			Gap  struct{ Reason, To string }
		}
		decode(t, me.must(t, http.StatusGone, "GET", path+after, nil, "Accept: application/json"), &problem)
		if problem.Code != "cursor_gone" || problem.Gap.Reason != reason || (!from.IsZero() &&
			problem.Gap.To != from.String()) {
			t.Errorf("id %q: %+v, want %s to %s", id, problem, reason, from)
		}
		if from.IsZero() {
			return
		}
		after = problem.Gap.To
	}
	for more := true; more; {
		var page struct {
			Items []json.RawMessage
			Next  string
			More  bool
		}
		decode(t, me.must(t, 200, "GET", path+after, nil, "Accept: application/json"), &page)
		for _, item := range page.Items {
			if len(want) == 0 || string(item) != want[0] {
				t.Fatalf("id %q: got %s, want %v", id, item, want[:min(1, len(want))])
			}
			want = want[1:]
		}
		after, more = page.Next, page.More
	}
	if len(want) > 0 {
		t.Errorf("id %q: %d are missing, the first is %s", id, len(want), want[0])
	}
}
