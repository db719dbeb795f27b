package notifications_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares JSON with testdata/<name>.json. Ids made by the module are random and are written as their order
// of appearance.
func golden(t *testing.T, name string, data []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, data)
	}
	b.WriteByte('\n')
	names := map[string]string{}
	got := regexp.MustCompile(`"0[0-9a-f]{7}-[0-9a-f-]{27}"`).ReplaceAllFunc(b.Bytes(), func(id []byte) []byte {
		if bytes.HasPrefix(id, []byte(`"0198f3a0-0000-7000-8000-`)) {
			return id
		}
		if names[string(id)] == "" {
			names[string(id)] = `"made-` + string(rune('1'+len(names))) + `"`
		}
		return []byte(names[string(id)])
	})
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%swant\n%s", path, got, want)
	}
}

// TestGolden shows each type of event, and each type of notification, byte for byte.
func TestGolden(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice").ID
	last := func(who string) moduletest.Row {
		rows := w.events(who)
		if len(rows) == 0 {
			t.Fatalf("nothing was announced to %s", who)
		}
		return rows[len(rows)-1]
	}
	p := w.post("alice", "First light, @bob #harbour", naming(w.user("bob")))
	mention := last("bob")
	golden(t, "notification.mention", mention.Data)
	if mention.Object != p.ID || mention.Actor != alice || len(mention.About) != 1 || mention.About[0] != alice {
		t.Errorf("mention is announced with object %s, actor %s, about %v", mention.Object, mention.Actor, mention.About)
	}
	w.like("bob", p)
	golden(t, "notification.like", last("alice").Data)
	w.Advance(time.Minute)
	w.like("carol", p)
	grown := last("alice")
	golden(t, "notification.updated", grown.Data)
	if len(grown.About) != 2 || grown.About[0] != w.user("carol").ID || grown.About[1] != w.user("bob").ID {
		t.Errorf("a group that grew is about %v, want carol and bob", grown.About)
	}
	c := w.post("bob", "Where is this?", under(p))
	golden(t, "notification.comment", last("alice").Data)
	w.post("carol", "At the mole", under(c))
	golden(t, "notification.reply", last("bob").Data)
	w.follow("dave", "alice")
	follow := last("alice")
	golden(t, "notification.follow", follow.Data)
	if follow.Object != alice {
		t.Errorf("a follow is announced with object %s, want the followed", follow.Object)
	}
	if _, err := w.s.Push(t.Context(), notifications.Push{Receiver: "@alice", Type: "build", Content: "Build 7 is green",
		URL: "/builds/7", Group: "builds", Data: []byte(`{ "build": 7 }`)}, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "notification.custom", last("alice").Data)

	w.unlike("carol", p)
	rows := w.wantEvents("alice", social.EventNotificationRemoved, social.EventNotificationUpdated)
	golden(t, "notification.removed.withdrawn", rows[0].Data)
	if err := w.s.Delete(t.Context(), alice, w.list("alice",
		notifications.Filter{Types: []string{"comment"}})[0].ID); err != nil {
		t.Fatal(err)
	}
	golden(t, "notification.removed.deleted", last("alice").Data)
	if _, err := w.s.SetRead(t.Context(), alice, w.list("alice", notifications.Filter{})[0].ID, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "read_state.ids", last("alice").Data)
	if _, err := w.s.SeenUpTo(t.Context(), alice, w.list("alice", notifications.Filter{})[0].ID); err != nil {
		t.Fatal(err)
	}
	golden(t, "read_state.up_to", last("alice").Data)
	w.remove(p)
	removed := last("alice")
	if removed.Type != social.EventNotificationRemoved {
		t.Fatalf("after a delete: %v", removed)
	}
	golden(t, "notification.removed.object", removed.Data)

	w.follow("bob", "alice")
	w.post("alice", "Second light")
	list, err := w.s.List(t.Context(), w.user("bob").ID, notifications.Filter{Types: []string{"post"}},
		social.PageQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	page, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "list.post", page)
}
