package e2e_test

import (
	"strings"
	"testing"
)

// TestMentionsBehindMarks: who is named in a text is told, whatever stands in front of the name.
func TestMentionsBehindMarks(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	texts := []string{"❤️@bob", "1️⃣@bob", "नमस्ते@bob", "ที่@bob", "مرحباً@bob", "＠bob", "<https://x.example>@bob",
		"\"https://x.example\"@bob"}
	for _, text := range texts {
		var post struct {
			Mentions []struct {
				Username   string
				Start, End int
			}
		}
		alice.want(201, "POST", "/v1/posts", map[string]any{"text": text}, &post)
		if len(post.Mentions) != 1 || post.Mentions[0].Username != "bob" ||
			string([]rune(text)[post.Mentions[0].Start+1:post.Mentions[0].End]) != "bob" {
			t.Errorf("%q mentions %+v", text, post.Mentions)
		}
	}
	var counts struct {
		ByType map[string]int `json:"by_type"`
	}
	bob.want(200, "GET", "/v1/notifications/counts", nil, &counts)
	if counts.ByType["mention"] != len(texts) {
		t.Errorf("bob was told of %d mentions, want %d", counts.ByType["mention"], len(texts))
	}
	var post struct{ Tags []struct{ Tag string } }
	alice.want(201, "POST", "/v1/posts", map[string]any{"text": "❤️#love"}, &post)
	if len(post.Tags) != 1 || post.Tags[0].Tag != "love" {
		t.Errorf("the tags are %+v", post.Tags)
	}
}

// TestNamesInSentences: a name or label that would reorder the text around it is refused, and a name of another
// direction is isolated in what others read.
func TestNamesInSentences(t *testing.T) {
	s := startSite(t, nil)
	alice, sara := s.register("alice"), s.register("sara")
	for _, r := range "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028" {
		sara.want(422, "PATCH", "/v1/me", map[string]any{"display_name": "ecila" + string(r)}, nil)
		sara.want(422, "POST", "/v1/auth/register", map[string]any{"username": "other", "password": password,
			"display_name": string(r) + "x"}, nil)
		label := "Saved \u05d0" + string(r)
		for path, body := range map[string]map[string]any{
			"/v1/posts":        {"text": "x", "warning": label},
			"/v1/tokens":       {"name": label, "scopes": []string{"read"}},
			"/v1/me/endpoints": {"channel": "webhook", "name": label, "settings": map[string]any{"url": "https://bot.example/"}},
			"/v1/auth/token":   {"login": "sara", "password": password, "name": label, "scopes": []string{"read"}},
		} {
			sara.want(422, "POST", path, body, nil)
		}
	}
	sara.want(200, "PATCH", "/v1/me", map[string]any{"display_name": "שרה"}, nil)
	post := alice.post("First light")
	sara.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
	var list struct {
		Items []struct {
			Text  string
			Actor struct {
				DisplayName string `json:"display_name"`
			}
		}
	}
	alice.want(200, "GET", "/v1/notifications", nil, &list)
	if got, want := list.Items[0].Text, "\u2068שרה\u2069 liked your post"; got != want {
		t.Errorf("alice reads %+q, want %+q", got, want)
	}
	if got := list.Items[0].Actor.DisplayName; got != "שרה" {
		t.Errorf("the name itself is %+q", got)
	}
}

// TestNothingToSee: names and texts that show nothing are refused, wherever others read them.
func TestNothingToSee(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	host := "Authorization: Bearer " + mustBelfry(t, "token", "service", "host", "--data", s.Data)
	invisible := []string{"\u200b", "\u2800", "\u3164", "\ufeff", " \u00ad\u034f\ufe0f", "\u0301", "\t \u00a0"}
	for _, nothing := range invisible {
		one := strings.ReplaceAll(nothing, "\t", "")
		for _, ask := range []struct {
			method, path string
			body         map[string]any
			header       []string
		}{
			{"POST", "/v1/posts", map[string]any{"text": nothing}, nil},
			{"POST", "/v1/posts", map[string]any{"text": "x", "warning": nothing}, nil},
			{"PATCH", "/v1/me", map[string]any{"display_name": one}, nil},
			{"POST", "/v1/tokens", map[string]any{"name": one, "scopes": []string{"read"}}, nil},
			{"POST", "/v1/me/endpoints", map[string]any{"channel": "webhook", "name": nothing,
				"settings": map[string]any{"url": "https://bot.example/"}}, nil},
			{"POST", "/v1/notifications", map[string]any{"receiver": "@alice", "type": "hint", "content": nothing},
				[]string{host}},
		} {
			var problem struct{ Code string }
			alice.want(422, ask.method, ask.path, ask.body, &problem, ask.header...)
			if problem.Code != "validation_failed" {
				t.Errorf("%s %s of %+q: %s", ask.method, ask.path, nothing, problem.Code)
			}
		}
	}
	var me struct{ Bio string }
	if alice.want(200, "PATCH", "/v1/me", map[string]any{"bio": "\u200b\n\u3164"}, &me); me.Bio != "" {
		t.Errorf("a bio that shows nothing is %+q", me.Bio)
	}
	for _, text := range []string{"🫩", "❤️", "\u0601", "ー", "."} {
		alice.post(text)
		alice.want(200, "PATCH", "/v1/me", map[string]any{"display_name": text}, nil)
	}
}
