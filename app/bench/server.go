package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// Server is what is measured: a process of our own, or one that runs already.
type Server struct {
	Address string // host:port
	Data    string // directory; "" = not ours

	pid   int
	admin string // host:port; "" = not ours
	args  []string
	env   []string
	cmd   *exec.Cmd
	said  chan struct{} // closed at the end of the child's output
	keep  bool
	out   io.Writer // where the child's log goes
}

// readyWithin bounds a start, which includes the log of a large plan.
const readyWithin = 5 * time.Minute

// endWithin bounds a graceful end; after it the process is killed, which is an error.
const endWithin = 20 * time.Second

// Serve gives a server with the people of a plan. Without --url a child process is started on a fresh directory, with
// default configuration except for limits, which are off, and --set; the process ends with the run. At --url the people
// register through the API, which takes the time of a password hash for each.
func (b *Bench) Serve(ctx context.Context, plan seed.Plan) (*Server, seed.People, error) {
	if b.URL != "" {
		u, err := url.Parse(b.URL)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, seed.People{}, fmt.Errorf("%w: --url must be http://host:port", ErrUsage)
		}
		s := &Server{Address: u.Host, pid: b.PID}
		if u.Port() == "" {
			s.Address = net.JoinHostPort(u.Hostname(), "80")
		}
		people, err := b.register(ctx, s, plan)
		return s, people, err
	}
	dir, err := os.MkdirTemp(b.Dir, "belfry-bench-")
	if err != nil {
		return nil, seed.People{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil { // the child has it as its working directory
		return nil, seed.People{}, err
	}
	s := &Server{Data: dir, keep: b.Keep, out: b.Err}
	b.servers = append(b.servers, s)
	if s.Address, err = freeAddress(); err != nil {
		return nil, seed.People{}, err
	}
	plan.PublicURL = "http://" + s.Address
	b.Progress("people", 0, plan.People)
	people, err := seed.Fill(ctx, filepath.Join(dir, "data"), plan)
	if err != nil {
		return nil, seed.People{}, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, seed.People{}, err
	}
	s.admin = admin
	// The path of the data is relative, as that of a socket in it must be short.
	s.args = []string{b.Program, "serve", "--data", "data", "--listen", s.Address, "--admin", admin}
	s.env = append(withoutOurs(b.Environ), "BELFRY_LIMITS_ENABLED=false", "BELFRY_LOG_LEVEL=warn",
		"BELFRY_SERVER_MAX_STREAMS=1000000")
	s.env = append(s.env, b.Set.environ()...)
	return s, people, s.start(ctx)
}

// withoutOurs removes configuration of Belfry from an environment: defaults are measured.
func withoutOurs(environ []string) []string {
	var out []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "BELFRY_") {
			out = append(out, kv)
		}
	}
	return out
}

// freeAddress is a loopback address on which no process listens now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start runs the child and waits for the line it prints once it listens.
func (s *Server) start(ctx context.Context) error {
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Env, s.cmd.Dir, s.cmd.Stderr = s.env, s.Data, s.out // no config.yaml of ours is there
	s.cmd.SysProcAttr = machine.ChildAttributes()
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.pid = s.cmd.Process.Pid
	listens := make(chan error, 1)
	s.said = make(chan struct{})
	go func() {
		defer close(s.said)
		r := bufio.NewReader(out)
		_, err := r.ReadString('\n')
		listens <- err
		_, _ = io.Copy(io.Discard, r)
	}()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case err := <-listens:
		if err != nil {
			return errors.Join(errors.New("the server did not start; its log is above"), s.wait())
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the server is not ready: %w", ctx.Err()), s.stop())
	}
}

// Restart ends the server, which is ours, gracefully and starts it again on the same data and address.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.stop(); err != nil {
		return err
	}
	return s.start(ctx)
}

// PID is the server's process, 0 if it is not known.
func (s *Server) PID() int { return s.pid }

// Memory is the server's resident memory now; zeros if it is not known.
func (s *Server) Memory() machine.Memory {
	m, _ := machine.MemoryOf(s.pid) // zeros say that it is not known
	return m
}

// rest returns when the server uses little CPU, or after five seconds. When its process is not known rest waits for a
// second.
func (s *Server) rest(ctx context.Context) error {
	const step, busy = 100 * time.Millisecond, 3 * time.Millisecond
	for range 50 {
		before, err := machine.CPUOf(s.pid)
		if err != nil {
			return client.Pause(ctx, time.Second)
		}
		if err := client.Pause(ctx, step); err != nil {
			return err
		}
		if after, err := machine.CPUOf(s.pid); err == nil && after-before < busy {
			return nil
		}
	}
	return nil
}

// stop ends the child gracefully. It is safe twice.
func (s *Server) stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(endWithin, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	return s.wait()
}

func (s *Server) wait() error {
	<-s.said
	err := s.cmd.Wait()
	s.cmd, s.pid = nil, 0
	if err != nil {
		return fmt.Errorf("the server ended badly: %w", err)
	}
	return nil
}

// end stops a child and removes its data.
func (s *Server) end() error {
	err := s.stop()
	if s.Data == "" || s.keep {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.Data))
}

// The bounds of settle.
const (
	settleLook = 50 * time.Millisecond
	settleMost = 10 * time.Second
	settleIdle = 500 * time.Microsecond // of CPU in one look
)

// settle returns when the server has finished the work that requests left behind, which is when it has used hardly any
// CPU for three looks. When its process is not known settle does not wait.
func settle(ctx context.Context, s *Server) error {
	last, err := machine.CPUOf(s.PID())
	if err != nil {
		return ctx.Err() // not known: nothing is measured either
	}
	for quiet, waited := 0, time.Duration(0); quiet < 3 && waited < settleMost; waited += settleLook {
		if err := client.Pause(ctx, settleLook); err != nil {
			return err
		}
		now, err := machine.CPUOf(s.PID())
		if err != nil {
			return err
		}
		if quiet++; now-last > settleIdle {
			quiet = 0
		}
		last = now
	}
	return nil
}
