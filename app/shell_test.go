package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/answertest"
)

// answers names the file where answers are noted that are not as the document says.
const answers = "ANSWERS"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"belfry": func() {
		app.Main(answertest.ToFile(os.Getenv(answers)))
	}})
}

// TestScripts runs the sessions of testdata/script: a person's way through the program, to be read as well. Beside
// testscript's own commands there are
//
//	start NAME COMMAND...      run a program beside the script
//	expect NAME REGEXP         wait for a line that it prints
//	stop NAME [CODE]           send it SIGTERM; it has to end with CODE, 0 if not said
//	exits CODE COMMAND...      run a program that has to end with CODE
//	http STATUS WHO METHOD PATH [JSON] [HEADER...]   ask the server at $URL with WHO's cookies;
//	                           @ALT in place of JSON sends a picture of which that is the alternative text
//	keep NAME REGEXP           put what the group of REGEXP finds in the last output into $NAME
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"LISTEN", "ADMIN"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				e.Setenv(name, l.Addr().String())
				_ = l.Close() // it is only about the number
			}
			file := filepath.Join(e.WorkDir, "answers-against-the-document")
			e.Setenv(answers, file)
			e.Defer(func() {
				if text, err := answertest.Faults(file); text != "" || err != nil {
					e.T().Fatal("against the document: ", text, err)
				}
			})
			e.Setenv("URL", "http://"+e.Getenv("LISTEN"))
			e.Setenv("BELFRY_SERVER_LISTEN", e.Getenv("LISTEN"))
			e.Setenv("BELFRY_ADMIN_LISTEN", e.Getenv("ADMIN"))
			e.Values[sittingKey{}] = &sitting{programs: map[string]*beside{}, people: map[string]http.CookieJar{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": startBeside, "expect": expectLine, "stop": stopBeside, "exits": exitsWith, "http": askServer,
			"keep": keepFound,
		},
	})
}

// patience bounds every wait for something that has to happen.
const patience = 30 * time.Second

type sittingKey struct{}

// sitting is what one script has going.
type sitting struct {
	programs map[string]*beside
	people   map[string]http.CookieJar
	last     string // output of http and exits
}

func sittingOf(ts *testscript.TestScript) *sitting { return ts.Value(sittingKey{}).(*sitting) }

// beside is a program that runs beside a script.
type beside struct {
	cmd   *exec.Cmd
	lines chan string
	seen  []string
}

func environment(ts *testscript.TestScript) []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", answers, "BELFRY_SERVER_LISTEN", "BELFRY_ADMIN_LISTEN",
		"BELFRY_CONFIG", "BELFRY_REGISTRATION_MODE", "BELFRY_DEMO_EVERY", "BELFRY_DEMO_PEOPLE", "BELFRY_DEMO_POSTS"} {
		if v := ts.Getenv(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func startBeside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND...")
	}
	path, err := lookPath(ts, args[1])
	ts.Check(err)
	p := &beside{cmd: exec.Command(path, args[2:]...), lines: make(chan string, 4096)}
	p.cmd.Env, p.cmd.Dir = environment(ts), ts.MkAbs(".")
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	ts.Check(p.cmd.Start())
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	sittingOf(ts).programs[args[0]] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.cmd.Wait()
		_ = w.Close()
	})
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if info, err := os.Stat(dir + "/" + name); err == nil && !info.IsDir() {
			return dir + "/" + name, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func program(ts *testscript.TestScript, name string) *beside {
	p := sittingOf(ts).programs[name]
	if p == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p
}

func expectLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: expect NAME REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	p := program(ts, args[0])
	for late := time.After(patience); ; {
		select {
		case line, more := <-p.lines:
			if !more {
				ts.Fatalf("%s ended without a line like %s:\n%s", args[0], want, strings.Join(p.seen, "\n"))
			}
			p.seen = append(p.seen, line)
			if want.MatchString(line) {
				sittingOf(ts).last = line
				return
			}
		case <-late:
			ts.Fatalf("%s prints no line like %s:\n%s", args[0], want, strings.Join(p.seen, "\n"))
		}
	}
}

func stopBeside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: stop NAME [CODE]")
	}
	want := "0"
	if len(args) > 1 {
		want = args[1]
	}
	p := program(ts, args[0])
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	err := p.cmd.Wait()
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != want {
		for len(p.lines) > 0 {
			p.seen = append(p.seen, <-p.lines)
		}
		ts.Fatalf("%s ended with code %s (%v), want %s:\n%s", args[0], got, err, want, strings.Join(p.seen, "\n"))
	}
}

func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	path, err := lookPath(ts, args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Env, cmd.Dir = environment(ts), ts.MkAbs(".")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code says it
	_, _ = ts.Stdout().Write(out.Bytes())
	_, _ = ts.Stderr().Write(errs.Bytes())
	sittingOf(ts).last = out.String()
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("ended with code %s, want %s:\n%s%s", got, args[0], out.String(), errs.String())
	}
}

func askServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: http STATUS WHO METHOD PATH [JSON or @ALT of a picture] [HEADER...]")
	}
	s := sittingOf(ts)
	if s.people[args[1]] == nil {
		s.people[args[1]], _ = cookiejar.New(nil) // it gives no error
	}
	var body io.Reader
	kind := "application/json"
	if len(args) > 4 && strings.HasPrefix(args[4], "@") {
		body, kind = pictureForm(args[4][1:])
	} else if len(args) > 4 && args[4] != "" {
		if !json.Valid([]byte(args[4])) {
			ts.Fatalf("no JSON: %s", args[4])
		}
		body = strings.NewReader(args[4])
	}
	req, err := http.NewRequest(args[2], ts.Getenv("URL")+args[3], body)
	ts.Check(err)
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	for _, line := range args[min(5, len(args)):] {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Jar: s.people[args[1]], Timeout: patience,
		Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	s.last = string(text)
	fmt.Fprintln(ts.Stdout(), s.last)
	if got := strconv.Itoa(resp.StatusCode); got != args[0] {
		ts.Fatalf("%s %s: status %s, want %s: %s", args[2], args[3], got, args[0], text)
	}
}

// pictureForm is a form with a picture and what it shows.
func pictureForm(alt string) (body io.Reader, kind string) {
	var out bytes.Buffer
	form := multipart.NewWriter(&out) // a buffer gives no errors
	_ = form.WriteField("alt", alt)
	part, _ := form.CreateFormFile("file", "x.png")
	_ = png.Encode(part, image.NewGray(image.Rect(0, 0, 80, 60)))
	_ = form.Close()
	return &out, form.FormDataContentType()
}

func keepFound(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	found := want.FindStringSubmatch(sittingOf(ts).last)
	if len(found) != 2 {
		ts.Fatalf("%s finds nothing in %s", want, sittingOf(ts).last)
	}
	ts.Setenv(args[0], found[1])
}
