package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/cli"
)

// fake is a program that notes what it is asked.
type fake struct {
	calls  []string
	flags  cli.Flags
	demo   bool
	reply  map[string]any
	fail   error
	server string
}

var errConfig = errors.New("configuration: bad.yaml:1:1: no")

func (f *fake) program() cli.Program {
	return cli.Program{
		Version:  map[string]string{"version": "1.2.3", "go": "go9", "GOOS": "plan9"},
		Defaults: map[string]string{"server.listen": "l:8", "admin.listen": "a:9", "storage.data": "dir"},
		Serve: func(_ context.Context, flags cli.Flags, demo bool) error {
			f.flags, f.demo = flags, demo
			return f.fail
		},
		Settings: func(flags cli.Flags) ([]cli.Setting, error) {
			f.flags = flags
			return []cli.Setting{{Key: "a.b", Value: "***", Origin: "default"}, {Key: "a.longer", Value: "7",
				Origin: "x.yaml:3"}}, f.fail
		},
		Call: func(_ context.Context, flags cli.Flags, name string, args, reply any) error {
			f.flags = flags
			text, err := json.Marshal(args)
			if err != nil {
				return err
			}
			f.calls = append(f.calls, name+" "+string(text))
			if f.fail != nil || reply == nil {
				return f.fail
			}
			answer, err := json.Marshal(f.reply[name])
			if err != nil {
				return err
			}
			return json.Unmarshal(answer, reply)
		},
		Address:       func(cli.Flags) (string, *http.Client, error) { return f.server, http.DefaultClient, f.fail },
		IsConfigError: func(err error) bool { return errors.Is(err, errConfig) },
	}
}

// run is one command line; standard input is no terminal.
func (f *fake) run(ctx context.Context, in string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = cli.Execute(ctx, f.program(), args, cli.Streams{In: strings.NewReader(in), Out: &o, Err: &e,
		Password: func(string) (string, error) { return "", errors.New("no terminal") }})
	return code, o.String(), e.String()
}

// Each command asks the program for one thing, with what was given, and says what came of it.
func TestCommands(t *testing.T) {
	token := cli.TokenReply{ID: "7", Token: "bf_secret"}
	for _, tt := range []struct {
		line, in, call, out, errs string
		reply                     any
	}{
		{line: "user add alice --role admin --name Alice", in: "a b \r\nmore",
			call:  `user add {"username":"alice","password":"a b ","display_name":"Alice","role":"admin"}`,
			reply: cli.UserLine{Username: "alice", Role: "admin"}, out: "alice is made, role admin\n"},
		{line: "user add bob", in: "without end", call: `user add {"username":"bob","password":"without end","role":"user"}`,
			reply: cli.UserLine{Username: "bob", Role: "user"}, out: "bob is made, role user\n"},
		{line: "user reset-password bob", in: "p\n", call: `user reset-password {"username":"bob","password":"p"}`,
			out: "the password of bob is changed, sessions and tokens are ended, webhooks are off\n"},
		{line: "user sign-out bob --reason stolen", call: `user sign-out {"username":"bob","reason":"stolen"}`,
			out: "bob is signed out everywhere\n"},
		{line: "token revoke 7 --reason stolen", call: `token revoke {"id":"7","reason":"stolen"}`, out: "7 is revoked\n"},
		{line: "token list", call: `token list {}`, reply: []cli.TokenLine{{ID: "7", Name: "shop", Scopes: []string{"a", "b"},
			CreatedAt: "then", LastUsed: "now"}},
			out: "id  name  scopes  since  last used  until\n7   shop  a,b     then   now        for ever\n"},
		{line: "token list bob", call: `token list {"username":"bob"}`, reply: []cli.TokenLine{},
			out: "id  name  scopes  since  last used  until\n"},
		{line: "user role bob moderator", call: `user role {"username":"bob","role":"moderator"}`,
			out: "bob is moderator now\n"},
		{line: "user delete bob --yes", call: `user delete {"username":"bob"}`, out: "bob is gone\n"},
		{line: "token create bob --name x --scopes read,events --expires-in 90m",
			call:  `token create {"username":"bob","name":"x","scopes":["read","events"],"expires_in":"1h30m0s"}`,
			reply: token, out: "bf_secret\n", errs: "It is shown this once.\n"},
		{line: "token service farm", call: `token service {"name":"farm"}`, reply: token, out: "bf_secret\n",
			errs: "It is shown this once.\n"},
		{line: "user suspend bob --reason spam", call: `user suspend {"username":"bob","reason":"spam"}`,
			out: "bob is suspended\n"},
		{line: "user restore bob", call: `user restore {"username":"bob"}`, out: "bob is active again\n"},
		{line: "post delete 7 --yes --reason spam", call: `post delete {"id":"7","reason":"spam"}`, out: "7 is gone\n"},
		{line: "log check", call: `log check {}`, reply: cli.LogReply{Text: "sound"}, out: "sound\n"},
		{line: "log rebuild", call: `log rebuild {}`, reply: cli.LogReply{Text: "done"}, out: "done\n"},
		{line: "migrate status", call: `migrate status {}`, reply: []cli.MigrateLine{{Owner: "posts", Version: 1, Latest: 2},
			{Owner: "users", Version: 2, Latest: 2}, {Owner: "x", Latest: 1, Dirty: true}},
			out: "tables  version  newest  state\nposts   1        2       behind\nusers   2        2       up to date\n" +
				"x       0        1       cut off; the next start mends it\n"},
		{line: "migrate up", call: `migrate up {}`, reply: []cli.MigrateLine{}, out: "tables  version  newest  state\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			args := strings.Fields(tt.line)
			f := &fake{reply: map[string]any{strings.Join(args[:2], " "): tt.reply}}
			code, out, errs := f.run(t.Context(), tt.in, args...)
			if code != cli.ExitOK || out != tt.out || errs != tt.errs {
				t.Errorf("code %d, out %q, errors %q; want %q, %q", code, out, errs, tt.out, tt.errs)
			}
			if len(f.calls) != 1 || f.calls[0] != tt.call {
				t.Errorf("asked %q, want %q", f.calls, tt.call)
			}
			f.fail = errors.New("no luck")
			if code, out, errs := f.run(t.Context(), tt.in, args...); code != cli.ExitFailed || out != "" ||
				errs != "belfry: no luck\n" {
				t.Errorf("failing: code %d, out %q, errors %q", code, out, errs)
			}
		})
	}
}

func TestInvite(t *testing.T) {
	f := &fake{reply: map[string]any{"invite": cli.InviteReply{Invite: "bfi_secret"}}}
	code, out, errs := f.run(t.Context(), "", "invite", "--uses", "3", "--expires-in", "2h")
	if code != cli.ExitOK || out != "bfi_secret\n" || errs != "It is shown this once.\n" ||
		strings.Join(f.calls, " ") != `invite {"uses":3,"lasts":"2h0m0s"}` {
		t.Errorf("code %d, out %q, errors %q, asked %q", code, out, errs, f.calls)
	}
}

func TestAuditGoesThroughAllPages(t *testing.T) {
	f := &fake{}
	p := f.program()
	p.Call = func(_ context.Context, _ cli.Flags, _ string, args, reply any) error {
		*reply.(*cli.AuditPage) = map[string]cli.AuditPage{
			"":   {Lines: []cli.AuditLine{{At: "now", Operator: "root", Action: "invite", Target: "uses 1"}}, Next: "c1"},
			"c1": {Lines: []cli.AuditLine{{At: "then", Operator: "root", Action: "user role", Person: "al", Reason: "why"}}},
		}[args.(cli.OperateArgs).After]
		return nil
	}
	var out bytes.Buffer
	code := cli.Execute(t.Context(), p, []string{"audit"}, cli.Streams{Out: &out, Err: io.Discard})
	want := "time  operator  action     person  target  reason\nnow   root      invite             uses 1  \n" +
		"then  root      user role  al              why\n"
	if code != cli.ExitOK || out.String() != want {
		t.Errorf("code %d\n%q\nwant\n%q", code, out.String(), want)
	}
}

func TestListGoesThroughAllPages(t *testing.T) {
	f := &fake{}
	p := f.program()
	var asked []string
	p.Call = func(_ context.Context, _ cli.Flags, _ string, args, reply any) error {
		after := args.(cli.UserArgs).After
		asked = append(asked, after)
		*reply.(*cli.UserPage) = map[string]cli.UserPage{
			"":   {Users: []cli.UserLine{{Username: "zoe", Role: "user", State: "active", CreatedAt: "then"}}, Next: "c1"},
			"c1": {Users: []cli.UserLine{{Username: "al", Role: "admin", State: "suspended", CreatedAt: "now"}}},
		}[after]
		return nil
	}
	var out bytes.Buffer
	code := cli.Execute(t.Context(), p, []string{"user", "list"}, cli.Streams{Out: &out, Err: io.Discard})
	want := "username  role   state      since\nzoe       user   active     then\nal        admin  suspended  now\n"
	if code != 0 || out.String() != want || !reflect.DeepEqual(asked, []string{"", "c1"}) {
		t.Errorf("code %d, asked %q, out\n%s", code, asked, out.String())
	}
}

// Bad arguments and a bad configuration end with 2, before anything is done.
func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"sevre": `did you mean "serve"?`, "nothing": `unknown command "nothing" for "belfry"`,
		"user lst": `did you mean "list"?`, "user add": "usage: belfry user add USERNAME", "user role bob": "usage:",
		"serve now": "unknown command", "serve --dmo": "unknown flag: --dmo (see belfry serve --help)",
		"user delete bob": "say --yes", "tail": "say --user or --token", "tail --user a --token b": "say --user or --token",
		"token create bob --expires-in soon": "invalid argument", "config check x": "unknown command",
		"version --jsn": "unknown flag",
	} {
		f := &fake{}
		if code, out, errs := f.run(t.Context(), "", strings.Fields(line)...); code != cli.ExitUsage || out != "" ||
			!strings.HasPrefix(errs, "belfry: ") || !strings.Contains(errs, want) || len(f.calls) != 0 {
			t.Errorf("%s: code %d, out %q, errors %q, calls %q; want %q", line, code, out, errs, f.calls, want)
		}
	}
	for _, line := range []string{"serve", "config check", "config print", "user list", "healthcheck", "tail --user a"} {
		f := &fake{fail: errConfig}
		if code, _, errs := f.run(t.Context(), "", strings.Fields(line)...); code != cli.ExitUsage ||
			errs != "belfry: "+errConfig.Error()+"\n" {
			t.Errorf("%s: code %d, errors %q", line, code, errs)
		}
	}
}

func TestFlagsAndSettings(t *testing.T) {
	f := &fake{}
	code, _, errs := f.run(t.Context(), "", "serve", "--demo", "--config", "c.yaml", "--data", "d", "--listen", "l:1",
		"--admin", "a:2")
	want := cli.Flags{Config: "c.yaml", Set: map[string]string{"storage.data": "d", "server.listen": "l:1",
		"admin.listen": "a:2"}}
	if code != 0 || errs != "" || !f.demo || !reflect.DeepEqual(f.flags, want) {
		t.Errorf("code %d, %q, demo %v, flags %+v, want %+v", code, errs, f.demo, f.flags, want)
	}
	if _, out, _ := f.run(t.Context(), "", "config",
		"print"); out != "a.b:       ***  # default\na.longer:  7    # x.yaml:3\n" {
		t.Errorf("config print: %q", out)
	}
	if _, out, _ := f.run(t.Context(), "", "config", "check"); out != "configuration is good\n" {
		t.Errorf("config check: %q", out)
	}
	if _, out, _ := f.run(t.Context(), "", "version"); out != "belfry 1.2.3\n  GOOS plan9\n  go go9\n" {
		t.Errorf("version: %q", out)
	}
	if code, out, errs := f.run(t.Context(), "", "--version"); code != 0 || out != "belfry version 1.2.3\n" {
		t.Errorf("--version: code %d, out %q, errors %q", code, out, errs)
	}
	if _, out, _ := f.run(t.Context(), "", "version",
		"--json"); out != `{"GOOS":"plan9","go":"go9","version":"1.2.3"}`+"\n" {
		t.Errorf("version --json: %q", out)
	}
}

// A password that is typed is typed twice: nobody sees what was typed.
func TestTypedPassword(t *testing.T) {
	for _, line := range []string{"user add bob", "user reset-password bob"} {
		for _, tt := range []struct {
			typed []string
			code  int
			errs  string
		}{
			{[]string{"right", "right"}, cli.ExitOK, ""},
			{[]string{"right", "wrong"}, cli.ExitFailed, "belfry: the two passwords differ; nothing was changed\n"},
			{[]string{"right"}, cli.ExitFailed, "belfry: password: interrupted\n"},
		} {
			f := &fake{reply: map[string]any{cli.UserAdd: cli.UserLine{Username: "bob", Role: "user"}}}
			var prompts []string
			typed := tt.typed
			var out, errs bytes.Buffer
			code := cli.Execute(t.Context(), f.program(), strings.Fields(line), cli.Streams{In: strings.NewReader("no\n"),
				Out: &out, Err: &errs, Password: func(prompt string) (string, error) {
					prompts = append(prompts, prompt)
					if len(typed) == 0 {
						return "", errors.New("interrupted")
					}
					word := typed[0]
					typed = typed[1:]
					return word, nil
				}})
			if code != tt.code || errs.String() != tt.errs || len(prompts) != 2 || (len(f.calls) == 1) != (code == cli.ExitOK) {
				t.Errorf("%s, typed %q: code %d, errors %q, prompts %q, calls %q", line, tt.typed, code, errs.String(), prompts,
					f.calls)
			}
		}
	}
}

// The help of serve shows where it listens if nobody says.
func TestHelpShowsDefaults(t *testing.T) {
	_, out, _ := (&fake{}).run(t.Context(), "", "serve", "--help")
	for _, want := range []string{`address to serve on (server.listen) (default "l:8")`,
		`address of the admin listener (admin.listen) (default "a:9")`, `data directory (storage.data) (default "dir")`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	for status, body := range map[int]string{200: `{"status":"ready"}`, 503: `{"status":"draining"}`, 404: `nothing`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked %s", r.URL.Path)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		f := &fake{server: s.URL}
		code, out, errs := f.run(t.Context(), "", "healthcheck")
		s.Close()
		if ok := status == 200; (code == 0) != ok || (errs == "") != ok || (status != 404 && !strings.Contains(body,
			strings.TrimSpace(out))) {
			t.Errorf("%d: code %d, out %q, errors %q", status, code, out, errs)
		}
	}
}

// A time to come back that is no number, or too long to be kept, leaves the one before (WHATWG HTML, 9.2.6).
func TestTailRetry(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	turn := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if turn++; turn == 4 {
			stop()
		}
		_, _ = io.WriteString(w, "retry: 7\nretry: "+[]string{"9223372036855", "-5", "+5", "x"}[turn-1]+"\n\n")
	}))
	defer s.Close()
	f := &fake{}
	_, _, errs := f.run(ctx, "", "tail", "--token", "bf_x", "--url", s.URL)
	if n := strings.Count(errs, "back in 7ms\n"); n != 3 {
		t.Errorf("came back after 7 ms %d times, want 3: %q", n, errs)
	}
}

// The terminal's client comes back with the id it has, takes no word of an unfinished block, lets nothing of an
// event into the terminal, and removes its token at the end.
func TestTail(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	asked := make(chan *http.Request, 8)
	turn := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Set("Content-Type", "text/event-stream")
		if turn++; turn == 1 {
			_, _ = io.WriteString(w, "id: 1-7\nevent: ready\nretry: 1\ndata: {}\n\n: hb\nid: 1-8\nevent: notification\n"+
				"data: a\x1b[31m\u0085b\n\nid: 1-9\nevent: notification\ndata: never")
			return
		}
		_, _ = io.WriteString(w, "event: bye\nretry: 1\ndata: {}\n\n")
		if turn == 3 {
			stop()
		}
	}))
	defer s.Close()
	f := &fake{server: s.URL + "/", reply: map[string]any{cli.TokenCreate: cli.TokenReply{ID: "7", Token: "bf_mine"}}}
	code, out, errs := f.run(ctx, "", "tail", "--user", "bob", "--after", "1-3", "--posts", "a&b")
	if code != cli.ExitOK || !strings.HasPrefix(out, "ready {}\nnotification a [31m b\nbye {}\n") || strings.Contains(out,
		"never") || strings.ContainsAny(out, "\x1b\u0085") {
		t.Errorf("code %d, out %q, errors %q", code, out, errs)
	}
	for i, want := range []string{"1-3", "1-8", "1-8"} {
		select {
		case r := <-asked:
			if r.Header.Get("Last-Event-ID") != want || r.Header.Get("Authorization") != "Bearer bf_mine" ||
				r.Header.Get("Accept") != "text/event-stream" || r.URL.Path != "/v1/events" || r.URL.Query().Get("posts") != "a&b" {
				t.Errorf("request %d: %s %v, want the id %s", i+1, r.URL, r.Header, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("request %d did not come", i+1)
		}
	}
	if want := []string{`token create {"username":"bob","name":"belfry tail","scopes":["events"],"expires_in":"24h"}`,
		`token delete {"username":"bob","id":"7"}`}; !reflect.DeepEqual(f.calls, want) {
		t.Errorf("asked %q, want %q", f.calls, want)
	}
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	if code, _, errs := f.run(t.Context(), "", "tail", "--token", "bf_x", "--url",
		refusing.URL); code != cli.ExitFailed || errs != "belfry: the server answered 404 Not Found\n" {
		t.Errorf("refused: code %d, %q", code, errs)
	}
	explaining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(422)
		_, _ = io.WriteString(w, `{"detail":"1 field was refused.",
			"errors":[{"pointer":"/posts","detail":"One of a\u001b, b."}]}`)
	}))
	defer explaining.Close()
	code, _, errs = f.run(t.Context(), "", "tail", "--token", "bf_x", "--url", explaining.URL)
	if code != cli.ExitFailed ||
		errs != "belfry: the server answered 422 Unprocessable Entity: 1 field was refused. /posts: One of a , b.\n" {
		t.Errorf("refused with a reason: code %d, %q", code, errs)
	}
}
