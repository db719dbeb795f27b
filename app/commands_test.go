package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/app/config"
)

// wired is a program of the standard parts on an empty directory, wired and not started.
func wired(t *testing.T) *program {
	t.Helper()
	var p program
	set := map[string]string{"storage.data": filepath.Join(t.TempDir(), "site"), "server.listen": "127.0.0.1:0",
		"admin.listen": "127.0.0.1:0"}
	o := Options{Source: config.Source{Flags: set, ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }},
		Clock: time.Now, Log: zap.NewNop(), Err: os.Stderr, Demo: true}
	if err := fx.New(wiring(o, Standard()...), fx.Invoke(func(in program) { p = in })).Err(); err != nil {
		t.Fatal(err)
	}
	return &p
}

// A command that has reached a server is never done a second time in the command's own process.
func TestCallSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belfry.sock")
	call := func() error {
		_, err := callSocket(t.Context(), path, cli.UserList, json.RawMessage(`{}`))
		return err
	}
	if err := call(); !errors.Is(err, errNobody) {
		t.Errorf("no socket: %v", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1024)
			_, _ = conn.Read(buf)
			_ = conn.Close() // killed in the middle of the command
		}
	}()
	if err := call(); err == nil || errors.Is(err, errNobody) {
		t.Errorf("a server that ends in the middle: %v", err)
	}
	s := &shell{parts: Standard(), streams: cli.Streams{Err: io.Discard}}
	err = s.call(t.Context(), cli.Flags{Set: map[string]string{"storage.data": filepath.Dir(path)}}, cli.UserList,
		cli.UserArgs{}, nil)
	if err == nil || !strings.Contains(err.Error(), "ended before it answered") {
		t.Errorf("the command of a server that ends in the middle: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.db")); len(files) > 0 {
		t.Errorf("the command was done here: %v", files)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
	if err := call(); !errors.Is(err, errNobody) {
		t.Errorf("a socket left behind: %v", err)
	}
}

// The socket stands in the data directory, whatever that is called.
func TestCommandSocketAnywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{strings.Repeat("d", 150), "@name", "new\nline",
		strings.Repeat("e", 90) + "/" + strings.Repeat("f", 90)} {
		c := wired(t).Commands
		c.stores.cfg.Data = dir
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := c.listen(t.Context()); err != nil {
			t.Errorf("%q: %v", dir, err)
			continue
		}
		path := filepath.Join(dir, socketFile)
		if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%q: %v, %v", dir, info, err)
		}
		if out, err := callSocket(t.Context(), path, "user sing", json.RawMessage(`{}`)); err != nil || out.Error == "" {
			t.Errorf("%q: %+v, %v", dir, out, err)
		}
		if err := c.close(t.Context()); err != nil {
			t.Errorf("%q: %v", dir, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: the socket is left behind: %v", dir, err)
		}
	}
}

// The socket is for the owner of the data alone, takes the place of one left behind, and answers what it does not
// understand.
func TestCommandSocket(t *testing.T) {
	p := wired(t)
	c := p.Commands
	if err := os.MkdirAll(c.stores.cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.stores.cfg.Data, socketFile)
	if err := os.WriteFile(path, []byte("left behind"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	}()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	for name, args := range map[string]string{"user sing": `{}`, cli.UserAdd: `7`, cli.TokenCreate: `{"scopes":"x"}`,
		cli.TokenDelete: `{"id":"x"}`} {
		out, err := callSocket(t.Context(), path, name, json.RawMessage(args))
		if err != nil || out.Error == "" || len(out.Reply) > 0 {
			t.Errorf("%s %s: %+v, %v", name, args, out, err)
		}
	}
	c.users = nil
	if out := c.reply(t.Context(), cli.UserList, json.RawMessage(`{}`)); !strings.Contains(out.Error, "no users module") {
		t.Errorf("without users: %+v", out)
	}
}
