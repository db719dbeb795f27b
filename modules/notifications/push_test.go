package notifications_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func TestPushGroups(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	push := func(kind, group string) {
		if _, err := w.s.Push(t.Context(), notifications.Push{Receiver: "@Alice", Type: kind, Content: "x", Group: group},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	push("build", "main")
	push("build", "main")
	push("build", "other")
	push("deploy", "main") // another type
	push("build", "")
	push("build", "")
	var counts []int64
	for _, n := range w.list("alice", notifications.Filter{Grouped: true}) {
		counts = append(counts, n.Group.Count)
		if n.Actor != nil || len(n.Group.Actors) != 0 || n.Text != "x" {
			t.Errorf("pushed notification is %+v", n)
		}
	}
	if len(counts) != 5 || counts[4] != 2 {
		t.Errorf("groups of %v, want five, the oldest of 2", counts)
	}
	w.wantEvents("alice", social.EventNotification, social.EventNotificationUpdated, social.EventNotification,
		social.EventNotification, social.EventNotification, social.EventNotification)
}

func TestPushRefuses(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	good := notifications.Push{Receiver: "@alice", Type: "build", Content: "x"}
	for _, tt := range []struct {
		name    string
		change  func(*notifications.Push)
		pointer string
		code    social.FieldCode
	}{
		{"unknown name", func(p *notifications.Push) { p.Receiver = "@nobody" }, "/receiver", social.FieldNotFound},
		{"unknown id", func(p *notifications.Push) { p.Receiver = social.NewID().String() }, "/receiver",
			social.FieldNotFound},
		{"neither", func(p *notifications.Push) { p.Receiver = "alice" }, "/receiver", social.FieldBadFormat},
		{"type with a capital", func(p *notifications.Push) { p.Type = "Build" }, "/type", social.FieldBadFormat},
		{"type with a dot", func(p *notifications.Push) { p.Type = "a.b" }, "/type", social.FieldBadFormat},
		{"script", func(p *notifications.Push) { p.URL = "javascript:alert(1)" }, "/url", social.FieldBadFormat},
		{"script with a host", func(p *notifications.Push) { p.URL = "javascript://x/%0aalert(1)" }, "/url",
			social.FieldBadFormat},
		{"no host", func(p *notifications.Push) { p.URL = "https:///x" }, "/url", social.FieldBadFormat},
		{"password in it", func(p *notifications.Push) { p.URL = "https://a:b@example.com/" }, "/url", social.FieldBadFormat},
		{"relative", func(p *notifications.Push) { p.URL = "builds/7" }, "/url", social.FieldBadFormat},
		{"data is a list", func(p *notifications.Push) { p.Data = []byte(`[1]`) }, "/data", social.FieldWrongType},
		{"data is too large", func(p *notifications.Push) { p.Data = []byte(`{"a":"` + strings.Repeat("x", 4090) + `"}`) },
			"/data", social.FieldTooLarge},
	} {
		p := good
		tt.change(&p)
		_, err := w.s.Push(t.Context(), p, nil)
		f, ok := err.(*social.Fault)
		if !ok || f.Code != social.CodeValidationFailed || len(f.Fields) != 1 || f.Fields[0].Pointer != tt.pointer ||
			f.Fields[0].Code != tt.code {
			t.Errorf("%s: %v, want %s at %s", tt.name, err, tt.code, tt.pointer)
		}
	}
	w.wantTold("alice")
	edge := good
	edge.Data = []byte(`{"a" : "` + strings.Repeat("x", 4096-8) + `"}`) // 4096 without white space
	edge.URL = "//evil.example/x"
	answer, err := w.s.Push(t.Context(), edge, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Notification.URL; got != "https://social.example//evil.example/x" {
		t.Errorf("a path that looks like a host leads to %s", got)
	}
}

// TestPushOnce: the same key makes one notification, one event and one answer.
func TestPushOnce(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	service := social.Actor{ServiceID: social.NewID()}
	push := func(key, content string) (notifications.Pushed, bool, error) {
		once := storage.NewOnce(service, w.now(), "POST /v1/notifications", key, []byte(content))
		a, err := w.s.Push(t.Context(), notifications.Push{Receiver: "@alice", Type: "build", Content: content,
			Data: []byte(`{"a":1}`)}, once)
		return a, once.Replayed(), err
	}
	first, replayed, err := push("k", "x")
	if err != nil || replayed {
		t.Fatalf("first: %v, replayed=%v", err, replayed)
	}
	again, replayed, err := push("k", "x")
	if err != nil || !replayed {
		t.Fatalf("again: %v, replayed=%v", err, replayed)
	}
	a, _ := json.Marshal(first)
	b, _ := json.Marshal(again)
	if string(a) != string(b) {
		t.Errorf("answered %s, then %s", a, b)
	}
	if _, _, err := push("k", "y"); !social.IsFault(err, social.CodeIdempotencyMismatch) {
		t.Errorf("other body: %v, want idempotency_mismatch", err)
	}
	if _, _, err := push("k2", "x"); err != nil {
		t.Fatal(err)
	}
	w.wantTold("alice", "custom.build", "custom.build")
	w.wantEvents("alice", social.EventNotification, social.EventNotification)
}

func TestSystem(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice").ID
	w.InTx(t, func(tx storage.Tx) error {
		if err := w.s.System(t.Context(), tx, social.NewID(), "nobody is there", "", nil); err != nil {
			return err
		}
		return w.s.System(t.Context(), tx, alice, "An endpoint was switched off.", "/settings",
			json.RawMessage(`{"endpoint_id":"x"}`))
	})
	list := w.list("alice", notifications.Filter{})
	if len(list) != 1 || list[0].Type != "system" || list[0].Text != "An endpoint was switched off." ||
		list[0].URL != "https://social.example/settings" || string(list[0].Data) != `{"endpoint_id":"x"}` {
		t.Errorf("system notification is %+v", list)
	}
	w.Read(t, func(q storage.Querier) error {
		if gone, err := w.s.Withdrawn(t.Context(), q, list[0].ID); err != nil || gone {
			t.Errorf("withdrawn: %v, %v; want false", gone, err)
		}
		if gone, err := w.s.Withdrawn(t.Context(), q, social.NewID()); err != nil || !gone {
			t.Errorf("withdrawn of nothing: %v, %v; want true", gone, err)
		}
		return nil
	})
	w.wantEvents("alice", social.EventNotification)
}
