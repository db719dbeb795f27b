package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is an interactive shell on a terminal of its own, as a person has it, without echo and prompts.
type terminal struct {
	t     *testing.T
	file  *os.File // what is typed and shown
	shown lockedBuffer
	news  chan struct{} // something was shown
	marks int
}

// shells are how each shell is started so that it reads nothing but what is typed, plainly.
var shells = map[string][]string{
	"bash": {"--norc", "--noprofile", "--noediting", "-i"},
	"zsh":  {"-f", "+Z", "-i"},
}

func openTerminal(t *testing.T, shell, dir string, env []string) *terminal {
	t.Helper()
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	modes, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err == nil {
		modes.Lflag &^= unix.ECHO
		err = unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, modes)
	}
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, file: file, news: make(chan struct{}, 1)}
	cmd := exec.Command(shell, shells[shell]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, tty, tty, tty
	cmd.Env = append(env, "TERM=dumb", "PS1=", "PS2=", "PROMPT_EOL_MARK=", "HISTFILE=/dev/null")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := file.Read(b)
			_, _ = x.shown.Write(b[:n])
			select {
			case x.news <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		// A server ends at once by the second Ctrl-C, and not with its terminal; a shell with jobs is told twice.
		_, _ = file.WriteString("\x03\x03\nexit\nexit\n")
		late := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		<-read
		file.Close()
	})
	return x
}

// text is all that was shown, without the terminal's carriage returns.
func (x *terminal) text() string { return strings.ReplaceAll(x.shown.String(), "\r", "") }

func (x *terminal) keys(text string) {
	x.t.Helper()
	if _, err := x.file.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// until waits for what has to be shown behind a place, as a function finds it.
func (x *terminal) until(from int, what string, found func(shown string) bool) {
	x.t.Helper()
	late := time.After(15 * deadline) // a build of everything may be in it
	for {
		shown := x.text()[from:]
		if found(shown) {
			return
		}
		select {
		case <-x.news:
		case <-late:
			x.t.Fatalf("%s has not come; shown was:\n%s", what, shown)
		}
	}
}

// finish waits for the end of what was typed. Whoever asks for a password meanwhile is given it.
func (x *terminal) finish(command string) (status, dir string) {
	x.t.Helper()
	from := len(x.text())
	x.marks++
	end := fmt.Sprintf("echo \"<$?:%d:$PWD>\"\n", x.marks)
	mark := regexp.MustCompile(fmt.Sprintf(`<(\d+):%d:(.*?)>`, x.marks))
	asked := 0
	if !asks.MatchString(command) {
		x.keys(end)
	}
	x.until(from, "the end of "+command, func(shown string) bool {
		if n := len(prompt.FindAllString(shown, -1)); n > asked {
			if asked = n; n == 1 {
				x.keys(password + "\n")
			} else {
				x.keys(password + "\n" + end) // nothing is typed ahead of a question
			}
		}
		m := mark.FindStringSubmatch(shown)
		if m != nil {
			status, dir = m[1], m[2]
		}
		return m != nil
	})
	return status, dir
}

// asks is a command that asks for a password, twice; prompt is how.
var (
	asks   = regexp.MustCompile(`\buser (add|reset-password) `)
	prompt = regexp.MustCompile(`Password: |Again: `)
)
