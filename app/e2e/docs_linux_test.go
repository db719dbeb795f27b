package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// follower is somebody who follows a page: pastes its commands into a terminal, in order, on a fresh directory.
type follower struct {
	t     *testing.T
	term  *terminal
	dir   string // in which the clone "belfry" stands
	cwd   string
	env   []string
	url   string
	seen  map[string]string // what an id of the page is in this run
	is    *strings.Replacer // the words of a page that differ here
	shell string
	ends  []func()
}

// newFollower prepares the directory: the clone is links to this one, bin/belfry is built.
func newFollower(t *testing.T, shell string) *follower {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(dir, "belfry")
	entries, err := os.ReadDir(root)
	if err == nil {
		err = os.Mkdir(clone, 0o755)
	}
	for _, e := range entries {
		if name := e.Name(); err == nil && name[0] != '.' && name != "bin" && name != "data" {
			err = os.Symlink(filepath.Join(root, name), filepath.Join(clone, name))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &follower{t: t, dir: dir, cwd: dir, seen: map[string]string{}}
	listen := freePort(t)
	r.url = "http://" + listen
	r.env = []string{"HOME=" + dir, "BELFRY_SERVER_LISTEN=" + listen, "BELFRY_ADMIN_LISTEN=" + freePort(t),
		"GOBIN=" + dir + "/gobin", "PATH=" + dir + "/gobin:" + os.Getenv("PATH"),
		// What is built is what was built before, from modules that are here.
		"CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOPROXY=off", "GOSUMDB=off"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		r.env = append(r.env, name+"="+strings.TrimSpace(string(out)))
	}
	r.is = strings.NewReplacer("http://127.0.0.1:8080", r.url, "/backups/", dir+"/backups/",
		"/var/lib/", dir+"/var/lib/")
	r.shell, r.term = shell, openTerminal(t, shell, dir, r.env)
	return r
}

// run follows the blocks of a page.
func (r *follower) run(page string) {
	r.t.Helper()
	blocks, _ := readPage(r.t, page)
	for i, b := range blocks {
		switch {
		case b.kind == "sh":
			shows := ""
			if i+1 < len(blocks) && blocks[i+1].kind == "text" {
				shows = blocks[i+1].text
			}
			r.paste(b.text, shows)
		case isLeftOut(b.text) != "":
		case b.kind == "go":
			file := filepath.Join(r.cwd, b.file)
			err := os.MkdirAll(filepath.Dir(file), 0o755)
			if err == nil {
				err = os.WriteFile(file, []byte(b.text), 0o600)
			}
			if err != nil {
				r.t.Fatal(err)
			}
		case b.kind == "ini":
			r.unit(b.text)
		case b.kind == "nginx": // TestProxies runs it
		}
	}
}

var serves = regexp.MustCompile(`(^make run$|\bserve\b)`)

// paste types a block and looks for what it shows.
func (r *follower) paste(block, shows string) {
	r.t.Helper()
	from := len(r.term.text())
	for _, command := range commands(block) {
		typed := r.is.Replace(command)
		switch {
		case isLeftOut(command) != "":
		case serves.MatchString(command):
			r.serve(typed)
			from = 0 // in a new terminal
		case strings.HasPrefix(command, "belfry bench "):
			r.enter(typed + " --help") // reads what is before it
		case endless.MatchString(command):
			r.term.keys(typed + "\n")
			r.look(from, shows)
			r.term.keys("\x03")
			_, r.cwd = r.term.finish(typed)
			return
		default:
			r.enter(typed)
		}
	}
	r.look(from, shows)
	if shown := r.term.text()[from:]; strings.Contains(shown, `"type":"/problems/`) {
		r.t.Fatalf("the server refused something in\n%s\n%s", block, shown)
	}
}

// enter types a command and waits for its end.
func (r *follower) enter(command string) {
	r.t.Helper()
	r.term.keys(command + "\n")
	status, cwd := r.term.finish(command)
	if r.cwd = cwd; status != "0" {
		r.t.Fatalf("%s ended with %s; shown was:\n%s", command, status, r.term.text())
	}
}

// serve types a command that goes on, waits for its welcome, and leaves it for a second terminal in the same directory.
// At the end Ctrl-C ends it.
func (r *follower) serve(command string) {
	r.t.Helper()
	first := r.term
	from := len(first.text())
	first.keys(command + "\n")
	first.until(from, "the welcome of "+command, func(shown string) bool {
		return strings.Contains(shown, "Belfry is at "+r.url)
	})
	r.term = openTerminal(r.t, r.shell, r.cwd, r.env)
	r.ends = append(r.ends, func() {
		first.keys("\x03")
		first.finish(command)
	})
}

var anID = regexp.MustCompile(`\b\d+-\d+\b`)

// look waits until each line of what a page shows has been shown, one after the other.
func (r *follower) look(from int, shows string) {
	r.t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(shows), "\n") {
		if line == "" {
			continue
		}
		pattern, fresh := r.pattern(r.is.Replace(line))
		r.term.until(from, line, func(shown string) bool {
			m := pattern.FindStringSubmatchIndex(shown)
			if m == nil {
				return false
			}
			for i, id := range fresh {
				r.seen[id] = shown[m[2*i+2]:m[2*i+3]]
			}
			from += m[1]
			return true
		})
	}
}

// pattern is a line of a page as it may be in this run: what an id of the page was before it has to be again.
func (r *follower) pattern(line string) (pattern *regexp.Regexp, fresh []string) {
	text := regexp.QuoteMeta(line)
	text = regexp.MustCompile(` +`).ReplaceAllString(text, ` +`)
	text = strings.ReplaceAll(text, "…", `.*`)
	text = anID.ReplaceAllStringFunc(text, func(id string) string {
		if r.seen[id] != "" {
			return regexp.QuoteMeta(r.seen[id])
		}
		if slices.Contains(fresh, id) {
			return anID.String()
		}
		fresh = append(fresh, id)
		return "(" + anID.String() + ")"
	})
	return regexp.MustCompile(text), fresh
}

// unit lets systemd read a unit whose program is there; without systemd only its form is looked at.
func (r *follower) unit(text string) {
	r.t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if !regexp.MustCompile(`^(\[[A-Z][a-z]+\]\n(\w+=.*\n)+\n?)+$`).MatchString(text) {
			r.t.Errorf("this is no unit:\n%s", text)
		}
		return
	}
	file := filepath.Join(r.dir, "belfry.service")
	text = strings.Replace(text, "/usr/local/bin/belfry", os.Args[0], 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	out, err := exec.CommandContext(r.t.Context(), analyze, "verify", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		r.t.Errorf("systemd does not like the unit: %v\n%s", err, out)
	}
}

func (r *follower) end() {
	r.t.Helper()
	for _, end := range r.ends {
		end()
	}
}

// settle makes what a page takes for granted: the program is installed and serves, and people are there, of whom the
// first has posted and another has a token.
func (r *follower) settle(names ...string) {
	r.t.Helper()
	r.enter("mkdir -p backups var/lib && cd belfry && go install ./app/belfry && cd ..")
	r.serve("belfry serve")
	s := &site{t: r.t, URL: r.url}
	var post, token struct{ ID string }
	for _, name := range names {
		p := s.anonymous()
		p.want(201, "POST", "/v1/auth/register", map[string]any{"username": name, "password": "correct horse " + name}, nil)
		if post.ID == "" {
			p.want(201, "POST", "/v1/posts", map[string]any{"text": "hello"}, &post)
		}
	}
	erin := s.anonymous()
	erin.want(201, "POST", "/v1/auth/register", map[string]any{"username": "erin", "password": "correct horse erin"}, nil)
	erin.want(201, "POST", "/v1/tokens", map[string]any{"name": "lost", "scopes": []string{"read"}}, &token)
	r.is = strings.NewReplacer("http://127.0.0.1:8080", r.url, "/backups/", r.dir+"/backups/",
		"/var/lib/", r.dir+"/var/lib/", "post delete ID", "post delete "+post.ID, "token revoke ID", "token revoke "+token.ID)
}

// TestDocsCommands: each page from its first command to its last, the README in bash and in zsh.
func TestDocsCommands(t *testing.T) {
	given := map[string][]string{"docs/operations.md": {"bob", "mallory"}, "docs/quickstart-web.md": {"alice"}}
	follow := func(name, page, shell string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("SKIP: %v", err) // TestDocsBlocks knows what zsh trips over
			}
			need(t, "make", "curl", "zstd")
			r := newFollower(t, shell)
			if given[page] != nil {
				r.settle(given[page]...)
			}
			r.run(page)
			r.end()
		})
	}
	for _, page := range pages {
		follow(filepath.Base(page), page, "bash")
	}
	follow("README.md in zsh", "README.md", "zsh")
}
