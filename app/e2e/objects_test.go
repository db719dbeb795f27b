package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shape is what an object holds: exactly these members. A value is one of: "string", "int", "bool", "time", "id",
// "object"; with "?" in front it may be null as well; a shape; a list of one shape or name; or a list of allowed
// texts behind "=" ("=like|reply").
type shape map[string]any

var (
	shapeRef  = shape{"id": "id", "username": "string", "display_name": "string", "avatar_url": "?string"}
	shapeUser = shape{"id": "id", "username": "string", "display_name": "string", "avatar_url": "?string",
		"url": "string", "bio": "string", "locked": "bool", "bot": "bool",
		"followers_count": "int", "following_count": "int", "posts_count": "int", "created_at": "time",
		"viewer": shapeRelation}
	shapeUserAlone = with(shapeUser, "viewer", "null")
	shapeRelation  = shape{"user_id": "id", "follow": "=none|requested|following", "notify": "bool", "reposts": "bool",
		"followed_by": "bool", "requested_by": "bool",
		"blocking": "bool", "mute": "null", "followed_at": "?time"}
	shapeMe = with(shapeUserAlone, "email", "?string", "email_verified", "bool", "role", "=user|moderator|admin", "state",
		"=active|suspended|deleting",
		"locale", "string", "time_zone", "string", "deletion_at", "?time")
	shapeSession = shape{"id": "id", "current": "bool", "user_agent": "string", "address": "string", "created_at": "time",
		"last_used_at": "time", "expires_at": "time"}
	shapeMedia = shape{"id": "id", "kind": "=image", "state": "=processing|ready|failed", "mime": "string", "bytes": "int",
		"width": "int", "height": "int", "url": "?string", "preview_url": "?string", "blurhash": "?string", "alt": "string",
		"focus": "object", "created_at": "time"}
	shapePost = shape{"id": "id", "url": "string", "author": shapeRef, "text": "string", "media": []any{shapeMedia},
		"reply_to": "null", "root_id": "id", "repost_of": "null",
		"visibility": "=public|followers|mentioned", "sensitive": "bool", "warning": "?string", "language": "?string",
		"mentions":   []any{shape{"user_id": "id", "username": "string", "start": "int", "end": "int"}},
		"tags":       []any{shape{"tag": "string", "start": "int", "end": "int"}},
		"like_count": "int", "comment_count": "int", "repost_count": "int", "deleted": "bool", "created_at": "time",
		"edited_at": "?time",
		"viewer":    shape{"liked": "bool", "bookmarked": "bool", "reposted": "bool", "thread_muted": "bool"}}
	shapeComment      = with(shapePost, "reply_to", shape{"post_id": "id", "author_id": "id"})
	shapeNotification = shape{"id": "id", "receiver_id": "id", "type": "string", "actor": shapeRef,
		"object": shape{"kind": "=post|comment|user", "id": "id", "url": "string", "excerpt": "string",
			"preview_url": "?string"},
		"group": shape{"key": "string", "count": "int", "actors": []any{shapeRef}}, "text": "string", "content": "?string",
		"url": "string", "data": "null",
		"is_read": "bool", "seen_at": "?time", "read_at": "?time", "archived_at": "?time", "created_at": "time",
		"updated_at": "time"}
	shapeCustom = with(shapeNotification, "actor", "null", "object", "null", "data", "object", "content", "string",
		"group", shape{"key": "string", "count": "int", "actors": []any{}})
	shapeCounts   = shape{"unseen": "int", "unread": "int", "capped": "bool", "by_type": "object"}
	shapeEndpoint = shape{"id": "id", "channel": "string", "name": "string", "settings": "object",
		"types": []any{"string"}, "enabled": "bool", "state": "=active|failing|disabled",
		"disabled_reason": "?string", "failing_since": "?time", "last_success_at": "?time", "last_failure_at": "?time",
		"secret": "null", "created_at": "time", "updated_at": "time"}
	shapeDelivery = shape{"id": "id", "endpoint_id": "id", "event_id": "?string", "event_type": "string",
		"notification_id": "?id", "state": "=pending|succeeded|dead|cancelled",
		"next_attempt_at": "?time", "created_at": "time", "finished_at": "?time",
		"attempts": []any{shape{"number": "int", "at": "time",
			"outcome": "=ok|http_status|timeout|connect|tls|blocked_address|permanent|channel_error", "http_status": "?int",
			"duration_ms": "int", "detail": "string"}}}
	shapeToken = shape{"id": "id", "name": "string", "scopes": []any{"string"}, "token": "null", "created_at": "time",
		"last_used_at": "?time", "expires_at": "?time"}
	shapeLike = shape{"post_id": "id", "liked": "bool", "like_count": "int"}
	shapeInst = shape{"name": "string", "version": "string", "url": "string", "registration": "=open|invite|closed",
		"languages": []any{"string"},
		"features":  shape{"sse": "bool", "media": "bool", "channels": []any{"string"}, "reposts": "bool", "search": "bool"},
		"limits": shape{"text": "int", "media_per_post": "int", "media_bytes": "int", "media_pixels": "int",
			"mime_types": []any{"string"}, "display_name": "int", "bio": "int", "page": "int", "endpoints": "int"},
		"events": shape{"url": "string", "heartbeat_s": "int", "max_age_s": "int", "max_streams": "int",
			"max_wait_s": "int", "retention_s": "int", "ticket_s": "int"}}
	shapeProblem = shape{"type": "string", "title": "string", "status": "int", "detail": "string", "instance": "string",
		"code": "string", "request_id": "string",
		"errors": []any{shape{"in": "=body|query|path|header|form", "pointer": "string", "code": "string",
			"detail": "string"}}, "retry_after": "?int"}
)

// with is a shape with some members added or changed.
func with(s shape, more ...any) shape {
	out := maps.Clone(s)
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i].(string)] = more[i+1]
	}
	return out
}

func pageOf(s any) shape { return shape{"items": []any{s}, "next": "?string", "prev": "?string"} }

var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// misfits tells where a value is not of its shape.
func misfits(want, got any, at string) []string {
	bad := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	switch want := want.(type) {
	case shape:
		m, ok := got.(map[string]any)
		if !ok {
			return bad("%v is no object", got)
		}
		var out []string
		for name, kind := range want {
			v, there := m[name]
			if !there {
				out = append(out, at+"/"+name+": is missing")
				continue
			}
			out = append(out, misfits(kind, v, at+"/"+name)...)
		}
		for name := range m {
			if _, known := want[name]; !known {
				out = append(out, at+"/"+name+": is not in the contract")
			}
		}
		return out
	case []any:
		list, ok := got.([]any)
		if !ok {
			return bad("%v is no list", got)
		}
		var out []string
		for i, v := range list {
			if len(want) == 0 {
				return bad("is not empty")
			}
			out = append(out, misfits(want[0], v, fmt.Sprintf("%s/%d", at, i))...)
		}
		return out
	}
	kind := want.(string)
	if rest, optional := strings.CutPrefix(kind, "?"); optional {
		if got == nil {
			return nil
		}
		kind = rest
	}
	if texts, ok := strings.CutPrefix(kind, "="); ok {
		if s, _ := got.(string); !slices.Contains(strings.Split(texts, "|"), s) {
			return bad("%v is none of %s", got, texts)
		}
		return nil
	}
	text, isText := got.(string)
	number, isNumber := got.(float64)
	_, isBool := got.(bool)
	_, isObject := got.(map[string]any)
	ok := map[string]bool{"null": got == nil, "string": isText, "bool": isBool, "object": isObject, "int": isNumber &&
		number == float64(int64(number)),
		"time": timeForm.MatchString(text), "id": len(text) == 36 && uuid.MatchString(text)}
	if fits, known := ok[kind]; !known {
		panic("unknown kind " + kind)
	} else if !fits {
		return bad("%v is no %s", got, kind)
	}
	return nil
}

// holds asks and compares the answer with a shape; the answer is given back.
func (p *person) holds(t *testing.T, want shape, status int, method, path string, body any,
	header ...string) (map[string]any, *http.Response) {
	t.Helper()
	resp, text := p.do(method, path, body, header...)
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil || resp.StatusCode != status {
		t.Fatalf("%s %s: %d, %v: %s", method, path, resp.StatusCode, err, text)
	}
	for _, line := range misfits(want, got, "") {
		t.Errorf("%s %s: %s", method, path, line)
	}
	if where := resp.Header.Get("Location"); status == 201 && where == "" && !strings.HasSuffix(path, "/stream-tickets") {
		t.Errorf("%s %s: status %d with Location %q", method, path, status, where)
	} else if status == 201 && where != "" && !strings.HasPrefix(path, "/v1/notifications") {
		if resp, _ := p.do("GET", where, nil); resp.StatusCode != 200 && resp.StatusCode != 405 || !strings.HasPrefix(where,
			"/v1/") {
			t.Errorf("%s %s: Location %s answers %d", method, path, where, resp.StatusCode)
		}
	}
	return got, resp
}

// TestObjects: what the program answers is what the contract says, member by member.
func TestObjects(t *testing.T) {
	s, heard := hooked(t, nil)
	nobody := s.anonymous()
	alice, bob := s.register("alice"), s.register("bob")
	host := s.service("host")
	h := newHook(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	id := func(m map[string]any) string { return m["id"].(string) }

	s.sub(t, "signing in", func(t *testing.T) {
		made, _ := s.anonymous().holds(t, shape{"user": shapeMe, "session": shapeSession}, 201, "POST", "/v1/auth/register",
			map[string]any{"username": "Carol", "password": password})
		if user := made["user"].(map[string]any); user["username"] != "carol" || user["display_name"] != "carol" &&
			user["display_name"] != "Carol" {
			t.Errorf("Carol is %v", user)
		}
		s.anonymous().holds(t, shape{"user": shapeMe, "session": shapeSession}, 200, "POST", "/v1/auth/login",
			map[string]any{"login": "carol", "password": password})
		alice.holds(t, pageOf(shapeSession), 200, "GET", "/v1/auth/sessions", nil)
		alice.holds(t, with(shapeToken, "token", "string", "expires_at", "time"), 201, "POST", "/v1/tokens",
			map[string]any{"name": "bot", "scopes": []string{"read"}, "expires_at": "2030-01-01T00:00:00+01:00"})
		alice.holds(t, pageOf(shapeToken), 200, "GET", "/v1/tokens", nil)
		alice.holds(t, shape{"ticket": "string", "expires_in": "int", "expires_at": "time"}, 201, "POST",
			"/v1/stream-tickets", nil)
	})
	s.sub(t, "people", func(t *testing.T) {
		alice.holds(t, shapeMe, 200, "GET", "/v1/me", nil)
		alice.holds(t, shapeMe, 200, "PATCH", "/v1/me", map[string]any{"bio": "hi", "display_name": "Alice", "locale": "en",
			"time_zone": "Europe/Berlin", "bot": true})
		alice.holds(t, shapeRelation, 200, "PUT", "/v1/users/"+bob.ID+"/follow", map[string]any{"notify": false})
		alice.holds(t, with(shapeUser, "viewer", with(shapeRelation, "followed_at", "time")), 200, "GET",
			"/v1/users/"+bob.ID, nil)
		alice.holds(t, shapeUser, 200, "GET", "/v1/users/by-name/BOB", nil)
		bob.holds(t, shapeUserAlone, 200, "GET", "/v1/users/"+bob.ID, nil)
		nobody.holds(t, shapeUserAlone, 200, "GET", "/v1/users/"+bob.ID, nil)
		for _, path := range []string{"/v1/users?limit=1", "/v1/search?type=users&q=BO"} {
			bob.post("for the directory")
			alice.holds(t, pageOf(shapeUser), 200, "GET", path, nil)
			got, _ := nobody.holds(t, pageOf(shapeUserAlone), 200, "GET", path, nil)
			if items := got["items"].([]any); len(items) != 1 || id(items[0].(map[string]any)) != bob.ID {
				t.Errorf("%s has %v, want bob", path, items)
			}
		}
		alice.holds(t, shape{"items": []any{shapeRelation}}, 200, "GET", "/v1/relationships?ids="+bob.ID, nil)
		nobody.holds(t, pageOf(shapeUserAlone), 200, "GET", "/v1/users/"+bob.ID+"/followers", nil)
		nobody.holds(t, pageOf(shapeUserAlone), 200, "GET", "/v1/users/"+alice.ID+"/following", nil)
		nobody.holds(t, shapeInst, 200, "GET", "/v1/instance", nil)
		nobody.holds(t, shape{"status": "=ok"}, 200, "GET", "/healthz", nil)
		nobody.holds(t, shape{"status": "=ready"}, 200, "GET", "/readyz", nil)
	})
	var post string
	s.sub(t, "posts", func(t *testing.T) {
		made, resp := alice.holds(t, with(shapePost, "language", "string"), 201, "POST", "/v1/posts",
			map[string]any{"text": "First light, @bob #harbour", "language": "en"})
		post = id(made)
		if where := resp.Header.Get("Location"); where != "/v1/posts/"+post {
			t.Errorf("Location %s", where)
		}
		if got := fmt.Sprint(made["mentions"],
			made["tags"]); got != "[map[end:17 start:13 user_id:"+bob.ID+" username:bob]] [map[end:26 start:18 tag:harbour]]" {
			t.Errorf("mentions and tags: %s", got)
		}
		bob.holds(t, shapeComment, 201, "POST", "/v1/posts", map[string]any{"text": "Where?", "reply_to": post,
			"sensitive": true, "warning": "careful"})
		alice.holds(t, shapePost, 200, "GET", "/v1/posts/"+post, nil)
		nobody.holds(t, with(shapePost, "viewer", "null"), 200, "GET", "/v1/posts/"+post, nil)
		nobody.holds(t, pageOf(with(shapeComment, "viewer", "null")), 200, "GET", "/v1/posts/"+post+"/comments", nil)
		edited, _ := alice.holds(t, with(shapePost, "edited_at", "time"), 200, "PATCH", "/v1/posts/"+post,
			map[string]any{"warning": "bright", "language": nil})
		if edited["text"] != made["text"] || edited["language"] != nil || edited["warning"] != "bright" {
			t.Errorf("edited: %v", edited)
		}
		bob.refused(t, 404, "not_found", "PATCH", "/v1/posts/"+post, map[string]any{"text": "mine now"})
		alice.refused(t, 412, "precondition_failed", "PATCH", "/v1/posts/"+post, map[string]any{"text": "x"},
			`If-Match: "other"`)
		for pointer, body := range map[string]map[string]any{"/media_ids/0": {"media_ids": []string{bob.ID}},
			"/text": {"text": nil}, "/visibility": {"visibility": "public"}} {
			got, _ := alice.holds(t, shapeProblem, 422, "PATCH", "/v1/posts/"+post, body)
			if at := got["errors"].([]any)[0].(map[string]any)["pointer"]; at != pointer {
				t.Errorf("%v is refused at %v", body, at)
			}
		}
		bob.holds(t, shapeLike, 200, "PUT", "/v1/posts/"+post+"/like", nil)
		alice.holds(t, pageOf(shapeUser), 200, "GET", "/v1/posts/"+post+"/likes", nil)
		alice.holds(t, pageOf(shapePost), 200, "GET", "/v1/timelines/home", nil)
		for _, path := range []string{"/v1/timelines/local", "/v1/tags/HARBOUR/posts"} {
			for who, viewer := range map[*person]any{alice: shapePost["viewer"], nobody: "null"} {
				got, _ := who.holds(t, pageOf(with(shapePost, "viewer", viewer)), 200, "GET", path, nil)
				if items := got["items"].([]any); len(items) == 0 || id(items[0].(map[string]any)) != post {
					t.Errorf("%s has %v, want the post first", path, items)
				}
			}
		}
		alice.holds(t, pageOf(shapePost), 200, "GET", "/v1/users/"+alice.ID+"/posts", nil)
	})
	s.sub(t, "endpoints", func(t *testing.T) {
		made, _ := alice.holds(t, with(shapeEndpoint, "secret", "string"), 201, "POST", "/v1/me/endpoints",
			map[string]any{"channel": "webhook", "name": "my bot", "settings": map[string]any{"url": h.URL},
				"types": []string{"like", "custom"}})
		at := "/v1/me/endpoints/" + id(made)
		alice.holds(t, shapeEndpoint, 200, "GET", at, nil)
		alice.holds(t, pageOf(shapeEndpoint), 200, "GET", "/v1/me/endpoints", nil)
		alice.holds(t, shapeEndpoint, 200, "PATCH", at, map[string]any{"name": "still mine"})
		alice.holds(t, with(shapeEndpoint, "secret", "string"), 200, "POST", at+"/rotate-secret",
			map[string]any{"overlap_s": 60})
		bob.want(200, "PUT", "/v1/posts/"+alice.post("like this")+"/like", nil, nil)
		h.next(t)
		heard.until(t, "the attempt is recorded", func() bool {
			list := alice.deliveries(id(made))
			return len(list) == 1 && len(list[0].Attempts) == 1
		})
		alice.holds(t, pageOf(with(shapeDelivery, "event_id", "string", "notification_id", "id", "next_attempt_at", "time")),
			200, "GET", at+"/deliveries", nil)
		alice.holds(t, shapeDelivery, 200, "GET", at+"/deliveries/"+alice.deliveries(id(made))[0].ID, nil)
		alice.holds(t, with(shapeDelivery, "event_type", "=test", "event_id", "null"), 202, "POST", at+"/test", nil)
		alice.holds(t, with(shapeEndpoint, "state", "=failing", "failing_since", "time", "last_failure_at", "time"), 200,
			"GET", at, nil)
	})
	s.sub(t, "notifications", func(t *testing.T) {
		pushed, _ := nobody.holds(t, shape{"notification": with(shapeCustom, "text", "=Deployed"), "dropped": "null"}, 201,
			"POST", "/v1/notifications",
			map[string]any{"receiver": "@alice", "type": "deploy", "content": "Deployed", "url": "/builds/7",
				"data": map[string]any{"build": 7}}, host)
		note := pushed["notification"].(map[string]any)
		if note["type"] != "custom.deploy" || note["url"] != s.URL+"/builds/7" {
			t.Errorf("pushed as %v", note)
		}
		alice.holds(t, shapeCustom, 200, "GET", "/v1/notifications/"+id(note), nil)
		list, resp := alice.holds(t, pageOf(shapeNotification), 200, "GET", "/v1/notifications?types=like,comment", nil)
		if !regexp.MustCompile(`^[1-9][0-9]{0,9}-[0-9]+$`).MatchString(resp.Header.Get("Belfry-Cursor")) {
			t.Errorf("Belfry-Cursor %q", resp.Header.Get("Belfry-Cursor"))
		}
		items := list["items"].([]any)
		if len(items) != 3 {
			t.Fatalf("%d notifications of likes and comments, want 3", len(items))
		}
		one := id(items[2].(map[string]any))
		alice.holds(t, shapeCounts, 200, "GET", "/v1/notifications/counts", nil)
		alice.holds(t, shapeCounts, 200, "POST", "/v1/notifications/seen", map[string]any{"up_to": one})
		alice.holds(t, with(shapeNotification, "seen_at", "time", "read_at", "null"), 200, "GET", "/v1/notifications/"+one,
			nil)
		alice.holds(t, with(shapeNotification, "seen_at", "time", "read_at", "time"), 200, "PUT",
			"/v1/notifications/"+one+"/read", nil)
		alice.holds(t, with(shapeNotification, "read_at", "null"), 200, "DELETE", "/v1/notifications/"+one+"/read", nil)
		alice.holds(t, with(shapeNotification, "read_at", "time", "archived_at", "time"), 200, "PUT",
			"/v1/notifications/"+one+"/archived", nil)
		alice.holds(t, with(shapeNotification, "archived_at", "null"), 200, "DELETE", "/v1/notifications/"+one+"/archived",
			nil)
		alice.holds(t, pageOf(shapeNotification), 200, "GET", "/v1/notifications/groups/"+one, nil)
		alice.holds(t, shapeCounts, 200, "POST", "/v1/notifications/read", map[string]any{"ids": []string{one}})
		alice.holds(t, pageOf(shapeNotification), 200, "GET", "/v1/notifications?types=like&grouped=true&state=inbox", nil)
		bob.want(200, "PUT", "/v1/users/"+alice.ID+"/follow", nil, nil)
		alice.holds(t, pageOf(shapeNotification), 200, "GET", "/v1/notifications?types=follow", nil)
		made := alice.post("for bob's list")
		derived, _ := bob.holds(t, shapeNotification, 200, "GET", "/v1/notifications/"+made, nil)
		if derived["type"] != "post" || derived["id"] != made {
			t.Errorf("the derived item is %v", derived)
		}
		bob.holds(t, pageOf(shapeNotification), 200, "GET", "/v1/notifications?types=mention", nil)
	})
	s.sub(t, "problems", func(t *testing.T) {
		for _, ask := range []struct {
			status       int
			method, path string
			body         any
		}{{404, "GET", "/v1/nowhere", nil}, {401, "GET", "/v1/me", nil}, {405, "PUT", "/v1/me", nil},
			{400, "POST", "/v1/auth/login", []byte("{")}, {422, "POST", "/v1/auth/login", map[string]any{"x": 1}}} {
			got, resp := nobody.holds(t, shapeProblem, ask.status, ask.method, ask.path, ask.body)
			if kind := resp.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("%s %s: Content-Type %s", ask.method, ask.path, kind)
			}
			if got["type"] != "/problems/"+got["code"].(string) || got["instance"] != ask.path ||
				got["request_id"] != resp.Header.Get("X-Request-Id") || (len(got["errors"].([]any)) > 0) != (ask.status == 422) {
				t.Errorf("%s %s: %v", ask.method, ask.path, got)
			}
		}
		alice.holds(t, with(shapeProblem, "gap", shape{"from": "null", "to": "string", "reason": "=invalid",
			"heal": []any{"string"}}), 410, "GET", "/v1/events?after=junk", nil)
	})
	s.sub(t, "events", func(t *testing.T) {
		bob.want(200, "DELETE", "/v1/posts/"+post+"/like", nil, nil)
		alice.want(204, "DELETE", "/v1/posts/"+post, nil, nil)
		alice.want(200, "PATCH", "/v1/posts/"+alice.post("first thought"), map[string]any{"text": "second thought"}, nil)
		// What the person is told of is durable in the log a moment after the answer: the last of it is awaited.
		c, _ := alice.stream("?after=oldest&posts=all")
		bob.post("@alice the last", "reply_to", alice.post("carry on"))
		for b := c.next(); !strings.Contains(b.Data, "the last"); b = c.next() {
		}
		got, _ := alice.holds(t, shape{"items": []any{shape{"id": "string", "type": "string", "time": "time",
			"data": "object"}}, "next": "string", "more": "bool", "head": "string", "oldest": "string"},
			200, "GET", "/v1/events?after=oldest&posts=all&limit=100", nil)
		seen := map[string]bool{}
		event := without(shapePost, "viewer")
		for _, item := range got["items"].([]any) {
			e := item.(map[string]any)
			kind := e["type"].(string)
			seen[kind] = true
			want := map[string]any{"notification": with(shapeNotification, "actor", "?object", "object", "?object", "data",
				"?object"), "post.created": event, "post.updated": with(event, "edited_at", "time"),
				"notification.updated": with(shapeNotification, "actor", "?object", "object", "?object", "data", "?object"),
				"notification.removed": shape{"id": "?id", "group": "?object", "object_id": "?id",
					"reason": "=withdrawn|deleted|hidden"},
				"read_state": shape{"change": "=seen|read|unread|archived|unarchived", "ids": "?list",
					"group": "?string", "up_to": "?id", "counts": shapeCounts},
				"follow.changed": shapeRelation, "post.deleted": shape{"id": "id", "author_id": "id",
					"deleted_at": "time"}}[kind]
			if kind == "read_state" {
				data := e["data"].(map[string]any)
				set := 0
				for _, name := range []string{"ids", "group", "up_to"} {
					if data[name] != nil {
						set++
					}
				}
				if set != 1 {
					t.Errorf("read_state says %d of ids, group and up_to", set)
				}
				want = with(want.(shape), "ids", map[bool]any{true: "null", false: []any{"id"}}[data["ids"] == nil])
			}
			if want == nil {
				t.Errorf("an event of type %s", kind)
				continue
			}
			for _, line := range misfits(want, e["data"], kind) {
				t.Error(line)
			}
		}
		for _, kind := range []string{"notification", "notification.removed", "read_state", "follow.changed", "post.created",
			"post.updated", "post.deleted"} {
			if !seen[kind] {
				t.Errorf("no %s was seen: the test shows nothing of it", kind)
			}
		}
	})
}
