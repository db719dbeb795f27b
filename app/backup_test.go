package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/storage"
)

// serving is a running server whose backup does not fit into the buffers of a socket.
func serving(t *testing.T, data string) *commands {
	t.Helper()
	var c *commands
	set := map[string]string{"storage.data": data, "server.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0"}
	o := Options{Source: config.Source{Flags: set, ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }},
		Clock: time.Now, Log: zap.NewNop(), Err: io.Discard}
	app := fx.New(wiring(o, Standard()...), fx.Invoke(run), fx.Populate(&c))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	err := c.stores.db.InTx(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO idempotency_keys (actor, route, key, hash, answer, expires_at)
			VALUES ('a', 'r', 'k', $1, $1, $2)`, make([]byte, 4<<20), time.Now().Add(time.Hour).UnixMilli())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask begins a backup and reads nothing of it but the header.
func ask(t *testing.T, c *commands) *http.Response {
	t.Helper()
	path := filepath.Join(c.stores.cfg.Data, socketFile)
	resp, err := askSocket(t.Context(), path, cli.Backup, json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// ended waits for the backup at hand, and finds nothing left of it.
func ended(t *testing.T, c *commands) {
	t.Helper()
	c.backing.Lock()
	defer c.backing.Unlock()
	if left, _ := filepath.Glob(filepath.Join(c.stores.cfg.Data, backupFile+"*")); len(left) > 0 {
		t.Errorf("there is %v left", left)
	}
}

// Only one backup is made at a time; one whose client goes away makes room for the next, and leaves nothing.
func TestBackupOneAtATime(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{backupFile, backupFile + "-wal"} { // of a server that was killed
		if err := os.WriteFile(filepath.Join(data, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := serving(t, data)
	ended(t, c)
	first := ask(t, c)
	if got := first.Header.Get("Content-Type"); got != tarType {
		t.Fatalf("the first is answered with %s", got)
	}
	var refused commandReply
	if err := json.NewDecoder(ask(t, c).Body).Decode(&refused); err != nil ||
		!strings.Contains(refused.Error, "another backup is being made") {
		t.Errorf("the second is answered with %+v, %v", refused, err)
	}
	_ = first.Body.Close()
	ended(t, c)
	third := ask(t, c)
	if n, err := io.Copy(io.Discard, third.Body); err != nil || n < 4<<20 {
		t.Errorf("the third has %d bytes, %v", n, err)
	}
	ended(t, c)
}

// A server that stops does not wait for a backup; whoever takes it is told that it is not whole.
func TestBackupOfAServerThatStops(t *testing.T) {
	c := serving(t, filepath.Join(t.TempDir(), "data"))
	resp := ask(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := c.close(ctx); err != nil {
		t.Error(err)
	}
	c.http = nil // the server's own stop has nothing left to close
	ended(t, c)
	if n, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after %d bytes it ends with %v", n, err)
	}
}

// oneConn is a listener for one connection.
type oneConn struct {
	conn chan net.Conn
	end  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.end:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.end); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// A client that takes nothing more is given up after a while, or no backup could be made any more.
func TestBackupIsNotHeldForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		l := &oneConn{make(chan net.Conn, 1), make(chan struct{})}
		l.conn <- there
		gaveUp := make(chan error, 1)
		s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			sent := &sentTo{w: w, control: http.NewResponseController(w)}
			for {
				if _, err := sent.Write(make([]byte, 64<<10)); err != nil {
					gaveUp <- err
					panic(http.ErrAbortHandler)
				}
			}
		})}
		go func() { _ = s.Serve(l) }()
		began := time.Now()
		if _, err := io.WriteString(here, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-gaveUp; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != backupPatience {
			t.Errorf("given up after %v with %v", time.Since(began), err)
		}
		_ = here.Close()
		_ = s.Close()
	})
}

// Whoever interrupts a backup or a restore, in whatever step, finds everything as it was.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	c := serving(t, filepath.Join(dir, "data"))
	s := &shell{parts: Standard(), streams: cli.Streams{Err: io.Discard}}
	flags := func(name string) cli.Flags {
		return cli.Flags{Set: map[string]string{"storage.data": filepath.Join(dir, name), "log.level": "error"}}
	}
	run := func(stop string, do func(context.Context, cli.Told) (string, error)) (steps []string, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err = do(ctx, func(step string, _, _ int64) {
			if steps = append(steps, step); step == stop {
				cancel()
			}
		})
		return slices.Compact(steps), err
	}
	backup := func(ctx context.Context, told cli.Told) (string, error) {
		return s.backup(ctx, flags("data"), filepath.Join(dir, "site.tar"), told)
	}
	restore := func(ctx context.Context, told cli.Told) (string, error) {
		return s.restore(ctx, flags("new"), filepath.Join(dir, "site.tar"), told)
	}
	left := func() (names []string) {
		_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, _ error) error {
			if name := strings.TrimPrefix(path, dir+"/"); !strings.HasPrefix(name, "data/") && !e.IsDir() {
				names = append(names, name)
			}
			return nil
		})
		return names
	}
	for _, step := range []string{"copying the database", "reading the backup"} {
		if _, err := run(step, backup); !errors.Is(err, errInterrupted) || len(left()) > 0 {
			t.Errorf("backup, %s: %v; there is %v", step, err, left())
		}
		ended(t, c)
	}
	if _, err := run("", backup); err != nil {
		t.Fatal(err)
	}
	want := []string{"new/belfry.lock", "site.tar"}
	steps := []string{"reading the backup", "checking the database", "writing the event log", "checking both stores"}
	for _, step := range steps {
		if _, err := run(step, restore); !errors.Is(err, errInterrupted) || !slices.Equal(left(), want) {
			t.Errorf("restore, %s: %v; there is %v", step, err, left())
		}
	}
	if got, err := run("", restore); err != nil || !slices.Equal(got, steps) {
		t.Errorf("restore goes through %q, %v; want %q", got, err, steps)
	}
}
