package e2e_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The tests of this file are named after weaknesses of well-known tutorials, as are others beside the code that they
// are about. Each fails on the tutorial's way of doing it.

// TestWeaknesses: each of the 34 weaknesses has a test that is named after it.
func TestWeaknesses(t *testing.T) {
	named := regexp.MustCompile(`(?m)^func Test((?:W\d\d)+)[A-Z]\w*\(`)
	number := regexp.MustCompile(`\d\d`)
	have := map[string]bool{}
	eachGoFile(t, func(path string, text []byte) {
		for _, m := range named.FindAllSubmatch(text, -1) {
			for _, n := range number.FindAllString(string(m[1]), -1) {
				have[n] = true
			}
		}
	})
	for n := 1; n <= 34; n++ {
		if w := fmt.Sprintf("%02d", n); !have[w] {
			t.Errorf("no test is named TestW%s…", w)
		}
	}
}

// eachGoFile reads the sources of the whole project.
func eachGoFile(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	root, files := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || path != root &&
			strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		f(path, text)
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// posted opens nothing: it gives the ids of posts that bob has heard of, in the order of the stream.
func (s *stream) posts(t *testing.T, n int) (positions, ids []string) {
	t.Helper()
	for range n {
		b := s.await("post.created")
		var e struct{ Data struct{ ID string } }
		if err := json.Unmarshal([]byte(b.Data), &e); err != nil {
			t.Fatal(err)
		}
		positions, ids = append(positions, b.ID), append(ids, e.Data.ID)
	}
	return positions, ids
}

// Kept under the time of connecting, an event is never found by the id of an event.
func TestW03EventsAreKeptByTheirOwnID(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	first, _ := bob.stream("")
	one := alice.post("one")
	positions, ids := first.posts(t, 1)
	first.close()
	late, _ := bob.stream("") // a later connection, open while the next event comes
	two := alice.post("two")
	late.posts(t, 1)
	again, _ := bob.stream("", "Last-Event-ID: "+positions[0])
	if _, got := again.posts(t, 1); ids[0] != one || got[0] != two {
		t.Errorf("heard %v, then %v; want %s, then %s", ids, got, one, two)
	}
}

// One place for each connection keeps only the newest event.
func TestW04NothingIsOverwritten(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	open, _ := bob.stream("")
	var want []string
	for i := range 25 {
		want = append(want, alice.post(fmt.Sprint("post ", i)))
	}
	positions, _ := open.posts(t, 25)
	open.close()
	again, _ := bob.stream("", "Last-Event-ID: "+positions[0])
	if _, got := again.posts(t, 24); !slices.Equal(got, want[1:]) {
		t.Errorf("replayed %v, want %v", got, want[1:])
	}
}

// Kept only for whoever is connected, there is nothing to replay for those who were not.
func TestW05KeptWhoeverIsConnected(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	from := bob.head()
	want := []string{alice.post("nobody listens"), alice.post("still nobody")}
	back, _ := bob.stream("", "Last-Event-ID: "+from)
	if _, got := back.posts(t, 2); !slices.Equal(got, want) {
		t.Errorf("missed %v, want %v", got, want)
	}
}

// Kept once for each connection, an event is replayed as often as there were connections, under as many ids.
func TestW06KeptOnceForAllConnections(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	from := bob.head()
	var open []*stream
	for range 4 {
		c, _ := bob.stream("")
		open = append(open, c)
	}
	alice.post("once")
	alice.post("the end")
	var want []string
	for i, c := range open {
		got, _ := c.posts(t, 2)
		if i > 0 && !slices.Equal(got, want) {
			t.Errorf("connection %d heard %v, the first %v", i+1, got, want)
		}
		want = got
	}
	again, _ := bob.stream("", "Last-Event-ID: "+from)
	if got, _ := again.posts(t, 2); !slices.Equal(got, want) {
		t.Errorf("replayed %v, live %v", got, want)
	}
}

// A map without order is replayed without order.
func TestW08ReplayIsInOrder(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	for i := range 120 { // one- to three-figure positions
		alice.post(fmt.Sprint("post ", i))
	}
	c, _ := bob.stream("?after=oldest")
	positions, ids := c.posts(t, 120)
	last := uint64(0)
	for _, p := range positions {
		_, seq, _ := strings.Cut(p, "-")
		n, err := strconv.ParseUint(seq, 10, 64)
		if err != nil || n <= last {
			t.Fatalf("%s comes after %d", p, last)
		}
		last = n
	}
	if !slices.IsSorted(ids) { // one author's posts, made one after the other
		t.Error("the posts are not in the order in which they were written")
	}
}

// The stored thing is sent at replay and another form of it live.
func TestW09ReplayIsWhatWasLive(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	from := bob.head()
	live, _ := bob.stream("?posts=all", "Last-Event-ID: "+from)
	alice.post("say it the same way, @bob #always")
	bob.want(200, "PUT", "/v1/posts/"+bob.post("mine")+"/like", nil, nil)
	alice.want(200, "PUT", "/v1/posts/"+bob.post("mine too")+"/like", nil, nil)
	alice.follow(bob)
	var was []block
	for b := live.next(); ; b = live.next() {
		was = append(was, b)
		if b.Event == "follow.changed" && strings.Contains(b.Data, `"followed_by":true`) {
			break
		}
	}
	var page struct{ Items []json.RawMessage }
	bob.want(200, "GET", "/v1/events?posts=all&limit=100&after="+from, nil, &page)
	again, _ := bob.stream("?posts=all", "Last-Event-ID: "+from)
	i := 0
	for _, b := range was {
		if got := again.next(); got != b {
			t.Errorf("replayed\n%+v\nlive it was\n%+v", got, b)
		}
		if i >= len(page.Items) || string(page.Items[i]) != b.Data {
			t.Errorf("polled %d items; live it was %s", len(page.Items), b.Data)
		}
		i++
	}
	if i < 4 {
		t.Errorf("only %d events were compared", i)
	}
}

// A map of connections that goroutines share without a lock, as the race detector shows.
func TestW17ManyConnectionsComeAndGo(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	steady, _ := bob.stream("")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 10 {
				req, err := http.NewRequest("GET", s.URL+"/v1/events", nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Accept", "text/event-stream")
				resp, err := alice.http.Do(req) // another person's, so that no cap ends the steady one
				if err != nil {
					t.Error(err)
					return
				}
				one := make([]byte, 64)
				if _, err := resp.Body.Read(one); err != nil {
					t.Error(err)
				}
				resp.Body.Close()
			}
		})
	}
	for i := range 20 {
		alice.post(fmt.Sprint("meanwhile ", i))
	}
	all.Wait()
	steady.posts(t, 20)
}

// Connections in a variable of the package, which everybody may write to and no test can replace: two programs in
// one process would share them.
func TestW18NothingIsSharedByThePackage(t *testing.T) {
	eachGoFile(t, func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		changing := map[*ast.Object]string{}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					changing[name.Obj] = name.Name
					if len(v.Values) > i {
						if call, ok := v.Values[i].(*ast.CallExpr); ok && isIdent(call.Fun, "make") {
							t.Errorf("%s: %s is made to be filled", path, name.Name)
						}
					}
					if kind, ok := v.Type.(*ast.SelectorExpr); ok && (isIdent(kind.X, "sync") || isIdent(kind.X, "atomic")) {
						t.Errorf("%s: %s is state of the package", path, name.Name)
					}
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			if !ok {
				return true
			}
			for _, left := range a.Lhs {
				if at, ok := left.(*ast.IndexExpr); ok {
					left = at.X
				}
				if id, ok := left.(*ast.Ident); ok && id.Obj != nil && changing[id.Obj] != "" {
					t.Errorf("%s: %s of the package is changed", path, id.Name)
				}
			}
			return true
		})
	})
	one, two := startSite(t, nil), startSite(t, nil)
	a, b := one.register("alice"), two.register("alice")
	mine, _ := a.stream("?posts=all")
	b.post("elsewhere")
	here := a.post("here")
	if _, ids := mine.posts(t, 1); ids[0] != here {
		t.Error("a program heard what happened in another one")
	}
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
