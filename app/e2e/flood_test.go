package e2e_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestFlood (P5, P6 under load): a few people write as fast as they can (posts, likes, follows and their ends,
// deletions) while many read them; half of the readers stay, half leave at random and come back by all roads. What
// each of them was told is what the model says they may see: nothing lost, doubled, extra, out of order or with
// other bytes. The full form is `make flood`: READERS=1000 ACTS=1800 are some ten million deliveries.
func TestFlood(t *testing.T) {
	_, rng := luck(t)
	people, acts := 40, 60
	if testing.Short() {
		people, acts = 20, 20
	}
	people, acts = number(t, "READERS", people), number(t, "ACTS", acts)
	const authors, others = 8, 8 // the first are read by everybody; all of them follow and leave each other
	w := startWorld(t, nil, authors+others+people)
	writers, public := w.People[:authors+others], w.People[authors+others:]
	everybodyFollows(t, w.URL, public, writers[:authors])

	g := newGate()
	g.set(true)
	s := newStorm(w.URL, writers, w.Service, g)
	texts := newTexts()
	var readers []*reader
	begin := func(m member, cut int) {
		r := newReader(w.URL, m, "all", first, g, rng)
		r.texts = texts
		if r.cut = cut; cut == 0 {
			r.only = "stream"
		}
		readers = append(readers, r)
		go r.run(t.Context())
	}
	for i, m := range public {
		begin(m, []int{0, 25, 0, 400}[i%4])
	}
	for _, m := range writers { // whose follows change all the time
		begin(m, 40)
	}
	s.all(t.Context(), acts, rng)
	farewell(t, w, readers)

	db := openStore(t, w.Data)
	s.check(t, db)
	x := readTruth(t, db)
	deliveries, streams := 0, 0
	for _, r := range readers {
		deliveries += x.checkAll(t, &r.history)
		streams += r.opened
	}
	t.Logf("%d acts answered, %d entries, %d readers on %d streams, %d deliveries", s.answered.Load(), len(x.rows),
		len(readers), streams, deliveries)
	if least := acts * people; deliveries < least {
		t.Errorf("%d deliveries are too few to say anything, want %d", deliveries, least)
	}
	if streams < len(readers)+people/4 {
		t.Errorf("%d streams of %d readers: nobody came back", streams, len(readers))
	}
}

// everybodyFollows makes each of the readers follow each of the authors, with the bell on for some.
func everybodyFollows(t testing.TB, base string, readers, authors []member) {
	t.Helper()
	var work sync.WaitGroup
	next := make(chan member)
	for range 8 {
		work.Go(func() {
			for m := range next {
				c := newCaller(base, m.Token)
				for _, a := range authors {
					if status, out, err := c.ask("PUT", "/v1/users/"+a.ID.String()+"/follow", nil); err != nil || status >= 300 {
						t.Errorf("%s follows %s: status %d (%v): %s", m.Name, a.Name, status, err, out)
					}
				}
				c.http.CloseIdleConnections()
			}
		})
	}
	for _, m := range readers {
		next <- m
	}
	close(next)
	work.Wait()
}

// farewell tells each reader that nothing more comes, and waits until all have heard it.
func farewell(t testing.TB, w *world, readers []*reader) {
	t.Helper()
	host := newCaller(w.URL, w.Service)
	defer host.http.CloseIdleConnections()
	for _, r := range readers {
		host.must(t, http.StatusCreated, "POST", "/v1/notifications", map[string]any{"receiver": r.Who.ID.String(),
			"type": "end", "content": "the end"})
	}
	for _, r := range readers {
		await(t, r.done, "the end at "+r.Who.Name)
	}
}

// texts keeps the bytes of each event once, however many clients had them. A client whose bytes differ keeps its own.
type texts struct {
	mu   sync.Mutex
	seen map[social.Cursor]string
}

func newTexts() *texts { return &texts{seen: map[social.Cursor]string{}} }

// same gives the kept bytes of an event where they are those of text.
func (x *texts) same(id social.Cursor, text string) string {
	if x == nil {
		return text
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	kept, ok := x.seen[id]
	switch {
	case !ok:
		kept = strings.Clone(text)
		x.seen[id] = kept
	case kept != text:
		return text
	}
	return kept
}
