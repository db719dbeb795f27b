package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGeneratedClient: a TypeScript client made from the document compiles without a cast, and reads every event and
// what may be null.
func TestGeneratedClient(t *testing.T) {
	npmInstall(t)
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	post := alice.post("First light, @bob")
	bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
	bob.post("Where is this?", "reply_to", post)
	var list struct{ Items []struct{ ID string } }
	alice.want(200, "GET", "/v1/notifications?limit=1", nil, &list)
	alice.want(200, "PUT", "/v1/notifications/"+list.Items[0].ID+"/read", nil, nil)
	bob.want(200, "DELETE", "/v1/posts/"+post+"/like", nil, nil)
	gone := alice.post("gone")
	alice.want(204, "DELETE", "/v1/posts/"+gone, nil, nil)
	var made struct{ Token string }
	alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "client", "scopes": []string{"read", "events"}}, &made)

	// Inside node_modules, so that the compiled client finds the package it imports.
	dir := filepath.Join("browser", "node_modules", ".contract")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, document := alice.do("GET", "/openapi.json", nil)
	config, err := json.Marshal(map[string]any{"files": []string{"../../contract.ts", "process.d.ts"},
		"compilerOptions": map[string]any{"strict": true, "noUncheckedIndexedAccess": true, "module": "es2022",
			"target": "es2022", "lib": []string{"es2022", "dom"}, "moduleResolution": "bundler", "skipLibCheck": true,
			"types": []string{}, "rootDir": "../..", "outDir": ".", "paths": map[string]any{"api": []string{"./api.d.ts"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"openapi.json": document, "tsconfig.json": config,
		"process.d.ts": []byte("declare const process: { argv: string[] };\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const at = "node_modules/.contract/"
	node(t, nil, "node_modules/openapi-typescript/bin/cli.js", at+"openapi.json", "-o", at+"api.d.ts")
	node(t, nil, "node_modules/typescript/bin/tsc", "-p", at+"tsconfig.json")
	said := node(t, nil, at+"contract.js", s.URL, made.Token)
	for _, want := range []string{"follow.changed none undefined", "notification comment by bob of 1",
		"read_state read 1 2", "notification.removed ", "post.created First light, @bob by alice", "post.deleted " + gone,
		"post First light, @bob undefined alice functionfunction", "ready ", "not found"} {
		if !strings.Contains(said, want) {
			t.Errorf("the client does not say %q:\n%s", want, said)
		}
	}
}

// TestEventsInTheDocument: each type of events that clients see has its schema.
func TestEventsInTheDocument(t *testing.T) {
	source, err := os.ReadFile("../../modules/social/eventtype.go")
	if err != nil {
		t.Fatal(err)
	}
	shown, _, _ := strings.Cut(string(source), "// The types of internal entries")
	var want []string
	for _, m := range regexp.MustCompile(`Event\w+ += "(\S+)"`).FindAllStringSubmatch(shown, -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Discriminator struct{ Mapping map[string]string }
			}
		}
	}
	s := startSite(t, nil)
	s.anonymous().want(200, "GET", "/openapi.json", nil, &doc)
	var got []string
	for kind, ref := range doc.Components.Schemas["Event"].Discriminator.Mapping {
		got = append(got, kind)
		if _, ok := doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]; !ok {
			t.Errorf("%s is described by %s, which is not there", kind, ref)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) || len(want) < 8 {
		t.Errorf("the document describes %v, want %v", got, want)
	}
}
