package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/answertest"
	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// The environment through which a test tells a child what to be.
const (
	childArgs    = "E2E_ARGS"    // the command line, one argument a line
	childFault   = "E2E_FAULT"   // "<place>:<which time>:<kill, late, eio or enospc>", several with ","
	childAnswers = "E2E_ANSWERS" // where answers are noted that are not as the document says
)

// TestProgram is not a test: in a child process it is the whole program, main and all, with failpoints.
func TestProgram(*testing.T) {
	args, ok := os.LookupEnv(childArgs)
	if !ok {
		return
	}
	os.Args = append([]string{"belfry"}, strings.Split(args, "\n")...)
	app.Main(withHooks(faults(os.Getenv(childFault))), answertest.ToFile(os.Getenv(childAnswers)))
}

// withHooks is a part that puts failpoints into the stores.
func withHooks(h app.Hooks) fx.Option {
	return fx.Decorate(func(o app.Options) app.Options { o.Hooks = h; return o })
}

// fault is what happens the n-th time a failpoint is passed, and from then on if it is an error.
type fault struct {
	place string
	nth   int64
	what  string
	seen  atomic.Int64
}

// faults reads childFault.
func faults(spec string) app.Hooks {
	var list []*fault
	for one := range strings.SplitSeq(spec, ",") {
		if parts := strings.Split(one, ":"); len(parts) == 3 {
			n, _ := strconv.ParseInt(parts[1], 10, 64)
			list = append(list, &fault{place: parts[0], nth: n, what: parts[2]})
		}
	}
	pass := func(place string) error {
		for _, f := range list {
			if f.place != place || f.seen.Add(1) < f.nth {
				continue
			}
			switch f.what {
			case "late": // what was let out too early has got out by now
				<-time.After(20 * time.Millisecond)
				fallthrough
			case "kill":
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until it has come
			case "eio":
				return fmt.Errorf("%w: injected: %w", storage.ErrFailed, syscall.EIO)
			case "enospc":
				return fmt.Errorf("%w: injected: %w", storage.ErrFull, syscall.ENOSPC)
			}
		}
		return nil
	}
	return app.Hooks{
		SQLite: func(p sqlite.Point) error { return pass("sqlite " + string(p)) },
		Bolt:   func(p bolt.Failpoint) error { return pass("bolt " + string(p)) },
	}
}

// child is the program as a process of its own on a data directory; it can be started and ended many times.
type child struct {
	t          testing.TB
	URL, Admin string
	Data       string
	env        []string
	cmd        *exec.Cmd
	out        *bytes.Buffer // standard error of the last start; read after done
	stderr     *os.File      // takes standard error instead, if it is set before the start
	limit      string        // of the shell, such as "ulimit -n 128", if it is set before the start
	readyCh    chan struct{} // closed when it has said where it is
	done       chan struct{} // closed when the process has ended
}

// newChild prepares a child; nothing runs yet. env are configuration keys as "BELFRY_KEY=value".
func newChild(t testing.TB, data string, env ...string) *child {
	t.Helper()
	answers := t.TempDir() + "/answers"
	c := &child{t: t, Data: data, URL: scheme() + freePort(t), Admin: "http://" + freePort(t),
		env: append([]string{"BELFRY_LIMITS_ENABLED=false", childAnswers + "=" + answers}, env...)}
	if overTLS {
		c.env = append(c.env, "BELFRY_SERVER_TLS_CERT="+keyFiles.cert, "BELFRY_SERVER_TLS_KEY="+keyFiles.key)
	}
	t.Cleanup(func() {
		c.kill()
		if text, err := answertest.Faults(answers); text != "" || err != nil {
			t.Errorf("against the document: %s%v", text, err)
		}
	})
	return c
}

// start runs `belfry serve` and waits until it is ready; false when it ended before.
func (c *child) start(fault string) bool {
	c.t.Helper()
	c.spawn(fault)
	return c.ready()
}

// spawn runs `belfry serve` and does not wait.
func (c *child) spawn(fault string) {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestProgram$")
	if c.limit != "" {
		c.cmd = exec.Command("sh", "-c", c.limit+` && exec "$0" "$@"`, os.Args[0], "-test.run=^TestProgram$")
	}
	c.cmd.Env = append(os.Environ(), append(c.env, childFault+"="+fault, childArgs+"="+strings.Join([]string{"serve",
		"--data", c.Data,
		"--listen", addressOf(c.URL), "--admin", strings.TrimPrefix(c.Admin, "http://")}, "\n"))...)
	c.out = &bytes.Buffer{}
	c.cmd.Stderr = c.out
	if c.stderr != nil {
		c.cmd.Stderr = c.stderr
	}
	welcome, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.done = make(chan struct{})
	said := make(chan struct{})
	go func() {
		r := bufio.NewReader(welcome)
		if _, err := r.ReadString('\n'); err == nil {
			close(said)
		}
		_, _ = io.Copy(io.Discard, r)
		_ = c.cmd.Wait()
		close(c.done)
	}()
	c.readyCh = said
}

// ready waits for the line of welcome, or for the end.
func (c *child) ready() bool {
	c.t.Helper()
	select {
	case <-c.readyCh:
		return true
	case <-c.done:
		return false
	case <-time.After(deadline):
		c.kill()
		c.t.Fatalf("the program did not become ready:\n%s", c.out)
		return false
	}
}

// mustStart is start without a fault.
func (c *child) mustStart() {
	c.t.Helper()
	if !c.start("") {
		c.t.Fatalf("the program ended at start, %v:\n%s", c.cmd.ProcessState, c.out)
	}
}

// kill ends the process as kill -9 does. It is safe at any time.
func (c *child) kill() {
	if c.cmd == nil || c.cmd.Process == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	<-c.done
}

// term sends SIGTERM.
func (c *child) term() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
}

// exit waits for the end within a time and gives the exit code; -1 after a signal.
func (c *child) exit(within time.Duration) int {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(within):
		c.kill()
		c.t.Fatalf("the program did not end within %v:\n%s", within, c.out)
	}
	return c.cmd.ProcessState.ExitCode()
}

// belfry is one command line in this process: exit code, standard output, standard error.
func belfry(args ...string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var out, errs lockedBuffer
	code = app.Run(ctx, args, nil, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs,
		Password: func(string) (string, error) { return "", errors.New("no terminal") }}, app.Standard()...)
	return code, out.String(), errs.String()
}

// mustBelfry is belfry with success asked for; it returns the standard output.
func mustBelfry(t testing.TB, args ...string) string {
	t.Helper()
	code, out, errs := belfry(args...)
	if code != cli.ExitOK {
		t.Fatalf("belfry %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return strings.TrimSpace(out)
}

// lockedBuffer is a buffer that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
