package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

var update = flag.Bool("update", false, "write the golden files anew")

// declared are the values of the constants of one type in a file of package modules.
func declared(t *testing.T, file, typ string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			v, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, v)
		}
		return true
	})
	if len(out) < 10 {
		t.Fatalf("only %d constants of type %s in %s", len(out), typ, file)
	}
	return out
}

// TestProblems: every code there is has its form, which is a golden file.
func TestProblems(t *testing.T) {
	for _, text := range declared(t, "../../modules/social/fault.go", "Code") {
		code := social.Code(text)
		t.Run(text, func(t *testing.T) {
			s := newSite(t)
			f := social.NewFault(code, "One sentence.")
			switch code {
			case social.CodeValidationFailed:
				f = social.Invalid(social.BodyField("/text", social.FieldTooLong, "At most 5000 characters."))
			case social.CodeRateLimited, social.CodeOverloaded, social.CodeUnavailable:
				f.RetryAfter = 2500 * time.Millisecond
			case social.CodeCursorGone:
				f.Gap = &social.GapError{From: social.Cursor{Epoch: 1, Seq: 12}, To: social.Cursor{Epoch: 1, Seq: 700},
					Reason: social.GapExpired}
			}
			s.err = f
			a := s.do("GET", "/v1/fail", "", "X-Request-Id", "golden")
			p := a.problem(t)
			if p.Code != code || p.Title == "" || p.Type != "/problems/"+text || p.Status < 400 {
				t.Errorf("got %s", a.body)
			}
			if got := a.Header.Get("Retry-After"); (got == "3") != (f.RetryAfter > 0) {
				t.Errorf("Retry-After: %q", got)
			}
			golden(t, filepath.Join("testdata", "problems", text+".json"), []byte(a.body))
		})
	}
}

// TestUnknownCode: a fault outside the closed list is our mistake, and told as one.
func TestUnknownCode(t *testing.T) {
	s := newSite(t)
	s.err = social.NewFault("teapot", "secret")
	if a := s.do("GET", "/v1/fail", ""); a.StatusCode != 500 || bytes.Contains([]byte(a.body), []byte("secret")) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// TestGapWithoutFrom: an id that could not be read is null in the gap.
func TestGapWithoutFrom(t *testing.T) {
	s := newSite(t)
	s.err = &social.GapError{To: social.Cursor{Epoch: 1, Seq: 7}, Reason: social.GapInvalid}
	a := s.do("GET", "/v1/fail", "")
	s.wantProblem(a, 410, social.CodeCursorGone)
	var body struct{ Gap json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	want := `{"from":null,"to":"1-7","reason":"invalid",` +
		`"heal":["/v1/notifications","/v1/notifications/counts","/v1/timelines/home"]}`
	if string(body.Gap) != want {
		t.Errorf("gap:\n got %s\nwant %s", body.Gap, want)
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("not JSON: %v: %s", err, got)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%s differs:\n got %s\nwant %s", file, pretty.Bytes(), want)
	}
}
