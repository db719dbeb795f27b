package reading_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/reading"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// held is one connection of a test.
type held struct {
	name  string
	ended chan plugins.ByeReason
	close func()
}

func open(t *testing.T, s *reading.Connections, name string, a social.Actor) *held {
	t.Helper()
	h := &held{name: name, ended: make(chan plugins.ByeReason, 2)} // room for a second, which would be a fault
	var ok bool
	if h.close, ok = s.Open(a, func(why plugins.ByeReason) { h.ended <- why }); !ok {
		t.Fatalf("%s was refused", name)
	}
	return h
}

// expect fails unless the connection was ended for this reason; "" = it is open.
func (h *held) expect(t *testing.T, want plugins.ByeReason) {
	t.Helper()
	var got plugins.ByeReason
	select {
	case got = <-h.ended:
	default:
	}
	if got != want {
		t.Errorf("%s ended for %q, want %q", h.name, got, want)
	}
	if len(h.ended) > 0 {
		t.Errorf("%s was ended twice", h.name)
	}
}

// connections ends what expires until the test ends.
func connections(t *testing.T, caps reading.Caps) *reading.Connections {
	c := reading.NewConnections(caps, time.Now, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { c.Expire(ctx) })
	t.Cleanup(func() { cancel(); work.Wait() })
	return c
}

// revoke is an entry of the log that takes rights away.
func revoke(t *testing.T, c *reading.Connections, person social.ID, data social.AccessRevokedData) {
	t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	c.Hear([]social.Event{{Stream: social.Stream{Kind: social.To, User: person}, Type: social.EventAccessRevoked,
		Internal: true, Time: social.TimeOf(time.Now()), Data: body}})
}

// idNow is an id of this moment by the test's clock; social.NewID never goes back, not even between bubbles.
func idNow() social.ID {
	id := social.NewID()
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|0x7000)
	return id
}

func text(id social.ID) *string { s := id.String(); return &s }

func TestOldestOverTheCapIsEvicted(t *testing.T) {
	s := connections(t, reading.Caps{MaxStreams: 4, MaxStreamsPerPerson: 2})
	me, other := social.Actor{UserID: social.NewID()}, social.Actor{UserID: social.NewID()}
	a, b, else1 := open(t, s, "a", me), open(t, s, "b", me), open(t, s, "another person's", other)
	c := open(t, s, "c", me)
	a.expect(t, plugins.ByeTooMany)
	for _, h := range []*held{b, c, else1} {
		h.expect(t, "")
	}
	if _, ok := s.Open(other, func(plugins.ByeReason) {}); ok {
		t.Error("the fifth was let in while the evicted one still holds its place: the total cap is 4")
	}
	a.close()
	a.close()
	if n, people := s.Count(); n != 3 || people != 2 {
		t.Errorf("after closing one twice %d of %d people are counted, want 3 of 2", n, people)
	}
	d := open(t, s, "d", me)
	b.expect(t, plugins.ByeTooMany)
	for _, h := range []*held{b, c, d, else1} {
		h.close()
	}
	if n, people := s.Count(); n != 0 || people != 0 {
		t.Errorf("after closing all %d of %d people are counted", n, people)
	}
}

// W15 W16: in the tutorials a second tab replaces the first, and closing the old one removes the new one's place.
func TestW16ClosingAnOldConnectionLeavesTheNewOne(t *testing.T) {
	s := connections(t, reading.Caps{MaxStreams: 10, MaxStreamsPerPerson: 1})
	me := social.Actor{UserID: social.NewID()}
	older := open(t, s, "older", me)
	newer := open(t, s, "newer", me)
	older.expect(t, plugins.ByeTooMany)
	older.close()
	third := open(t, s, "third", me)
	newer.expect(t, plugins.ByeTooMany)
	third.expect(t, "")
}

func TestW33RevokedSessionLosesItsStream(t *testing.T) {
	for _, tt := range []struct {
		name string
		data func(s1, s2, token social.ID) social.AccessRevokedData
		want [3]plugins.ByeReason // session 1, session 2, token
	}{
		{"one session", func(s1, _, _ social.ID) social.AccessRevokedData {
			return social.AccessRevokedData{SessionID: text(s1)}
		},
			[3]plugins.ByeReason{plugins.ByeRevoked, "", ""}},
		{"one token", func(_, _, tok social.ID) social.AccessRevokedData {
			return social.AccessRevokedData{TokenID: text(tok)}
		},
			[3]plugins.ByeReason{"", "", plugins.ByeRevoked}},
		{"all", func(_, _, _ social.ID) social.AccessRevokedData { return social.AccessRevokedData{} },
			[3]plugins.ByeReason{plugins.ByeRevoked, plugins.ByeRevoked, plugins.ByeRevoked}},
		{"all but one session", func(_, s2, _ social.ID) social.AccessRevokedData {
			return social.AccessRevokedData{KeepSessionID: text(s2)}
		},
			[3]plugins.ByeReason{plugins.ByeRevoked, "", plugins.ByeRevoked}},
		{"other sessions, no token", func(_, s2, _ social.ID) social.AccessRevokedData {
			return social.AccessRevokedData{KeepSessionID: text(s2), KeepTokens: true}
		}, [3]plugins.ByeReason{plugins.ByeRevoked, "", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := connections(t, reading.Caps{MaxStreams: 20_000, MaxStreamsPerPerson: 10})
				me, s1, s2, token := idNow(), idNow(), idNow(), idNow()
				all := []*held{
					open(t, s, "session 1", social.Actor{UserID: me, SessionID: s1}),
					open(t, s, "session 2", social.Actor{UserID: me, SessionID: s2}),
					open(t, s, "token", social.Actor{UserID: me, TokenID: token}),
				}
				other := open(t, s, "another person's", social.Actor{UserID: social.NewID(), SessionID: social.NewID()})
				time.Sleep(time.Second) // the ids are older than the revocation
				revoke(t, s, me, tt.data(s1, s2, token))
				synctest.Wait()
				for i, h := range all {
					h.expect(t, tt.want[i])
				}
				other.expect(t, "")
				// One that was answered before the revocation and is counted after it.
				late := open(t, s, "late session 1", social.Actor{UserID: me, SessionID: s1})
				late.expect(t, tt.want[0])
			})
		})
	}
}

func TestSigningInAgainAfterARevocationWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connections(t, reading.Caps{MaxStreams: 20_000, MaxStreamsPerPerson: 10})
		me := social.NewID()
		revoke(t, s, me, social.AccessRevokedData{})
		synctest.Wait()
		time.Sleep(time.Second)
		open(t, s, "a new session", social.Actor{UserID: me, SessionID: idNow()}).expect(t, "")
	})
}

// The same sessions open streams again as soon as a suspension is over; what ended for another reason stays so.
func TestRestoredPersonOpensStreamsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connections(t, reading.Caps{MaxStreams: 20_000, MaxStreamsPerPerson: 10})
		me, session, ended := idNow(), idNow(), idNow()
		time.Sleep(time.Second)
		revoke(t, s, me, social.AccessRevokedData{})
		revoke(t, s, me, social.AccessRevokedData{SessionID: text(ended)})
		open(t, s, "suspended", social.Actor{UserID: me, SessionID: session}).expect(t, plugins.ByeRevoked)
		s.Hear([]social.Event{{Type: social.EventAccessRestored, Internal: true,
			Stream: social.Stream{Kind: social.To, User: me}, Data: []byte(`{}`)}})
		open(t, s, "restored", social.Actor{UserID: me, SessionID: session}).expect(t, "")
		open(t, s, "logged out", social.Actor{UserID: me, SessionID: ended}).expect(t, plugins.ByeRevoked)
	})
}

func TestExpiredSessionLosesItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connections(t, reading.Caps{MaxStreams: 20_000, MaxStreamsPerPerson: 10})
		now := social.TimeOf(time.Now())
		soon := open(t, s, "soon", social.Actor{UserID: social.NewID(), ExpiresAt: now.Add(time.Minute)})
		later := open(t, s, "later", social.Actor{UserID: social.NewID(), ExpiresAt: now.Add(2 * time.Minute)})
		never := open(t, s, "never", social.Actor{UserID: social.NewID()})
		open(t, s, "past", social.Actor{UserID: social.NewID(), ExpiresAt: now}).expect(t, plugins.ByeRevoked)
		time.Sleep(59 * time.Second)
		soon.expect(t, "")
		time.Sleep(2 * time.Second)
		soon.expect(t, plugins.ByeRevoked)
		later.expect(t, "")
		time.Sleep(time.Minute)
		later.expect(t, plugins.ByeRevoked)
		never.expect(t, "")
	})
}
