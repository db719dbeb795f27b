package app

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/belfry-social/belfry/app/cli"
)

// terminal runs a command line on a pseudo terminal and gives what stands on it at the end, line by line.
func terminal(t *testing.T, args ...string) []string {
	t.Helper()
	return terminalUntil(t, "", args...)
}

// terminalUntil is terminal for a command that is stopped when these words stand there; "" = it ends by itself.
func terminalUntil(t *testing.T, words string, args ...string) []string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 4<<10); ; {
			n, err := master.Read(b)
			if wire.Write(b[:n]); words != "" && bytes.Contains(wire.Bytes(), []byte(words)) {
				stop()
			}
			if err != nil {
				return // EIO: nobody holds the other side
			}
		}
	}()
	streams := cli.Streams{In: tty, Out: tty, Err: tty, Terminal: isTerminal(tty)}
	if code := Run(ctx, args, nil, streams, Standard()...); code != cli.ExitOK {
		defer func() { t.Errorf("%v: code %d\n%s", args, code, wire.String()) }()
	}
	_ = tty.Close()
	<-done
	_ = master.Close()
	var shown []string
	for line := range strings.Lines(wire.String()) {
		shown = append(shown, onScreen(strings.TrimRight(line, "\r\n")))
	}
	return shown
}

// onScreen is what a line shows once everything that overwrites it has come.
func onScreen(line string) string {
	var cells []rune
	for part := range strings.SplitSeq(line, "\r") {
		if rest, ok := strings.CutPrefix(part, "\x1b[K"); ok {
			cells, part = nil, rest
		}
		r := []rune(part)
		cells = append(r, cells[min(len(r), len(cells)):]...)
	}
	return strings.TrimRight(string(cells), " ")
}

// TestDemoOnATerminal: with the configuration as it is shipped, a newcomer sees the address and the account, and no
// log.
func TestDemoOnATerminal(t *testing.T) {
	shown := terminalUntil(t, "Ctrl-C", "serve", "--demo", "--config", "../config.yaml", "--data", t.TempDir(),
		"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	text := strings.Join(shown, "\n")
	want := regexp.MustCompile(`(?m)^  Address   http://127\.0\.0\.1:\d+$\n^  Name      demo$\n^  Password  belfry-demo$`)
	if !want.MatchString(text) || len(shown) > 12 {
		t.Errorf("a newcomer sees %d lines:\n%.3000s", len(shown), text)
	}
}

// TestInterruptedStart: whoever ends the program while it starts sees it end, without a failure.
func TestInterruptedStart(t *testing.T) {
	shown := terminalUntil(t, "Belfry is at", "serve", "--demo", "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--admin", "127.0.0.1:0", "--config", "../config.yaml")
	if text := strings.Join(shown, "\n"); strings.Contains(text, "cancel") || strings.Contains(text, "Ctrl-C") {
		t.Errorf("it is shown:\n%s", text)
	}
}

// TestTerminal: on a terminal, what came of a command stands on a line of its own, and so does each line of its log. A
// database that is new, or was just restored and checked, is not checked.
func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	data, tar, restored := filepath.Join(dir, "data"), filepath.Join(dir, "x.tar"), filepath.Join(dir, "new")
	var errs bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &errs,
		Password: func(string) (string, error) { return "correct horse battery", nil }}
	add := []string{"user", "add", "alice", "--data", data}
	if code := Run(t.Context(), add, nil, streams, Standard()...); code != cli.ExitOK {
		t.Fatal("no user was added: ", errs.String())
	}
	const checked = "\tINFO\tstorage\tdatabase is checked\t"
	if strings.Contains(errs.String(), "database is checked") {
		t.Errorf("a new site logs %q", errs.String())
	}
	if err := os.WriteFile(filepath.Join(data, placeFile), []byte("elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string // what each line holds
	}{
		{[]string{"backup", tar, "--data", data}, []string{checked, tar + ": a backup of "}},
		{[]string{"restore", tar, "--data", restored}, []string{restored + " is restored from "}},
		{[]string{"log", "check", "--data", restored}, []string{"\tevent log\t", "both stores are sound"}},
	} {
		shown := terminal(t, tt.args...)
		if !slices.EqualFunc(shown, tt.want, strings.Contains) || strings.ContainsAny(strings.Join(shown, ""), "#…\r") {
			t.Errorf("%v shows %q", tt.args, shown)
		}
	}
}
