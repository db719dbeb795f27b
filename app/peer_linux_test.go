package app

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestOtherAccountsHaveNoCommand over the socket, whatever the modes of its file say.
func TestOtherAccountsHaveNoCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	me := os.Geteuid()
	if !mayCommand(s, me) || (me != 0 && mayCommand(s, me+1)) {
		t.Errorf("own account: %v, another's: %v", mayCommand(s, me), mayCommand(s, me+1))
	}
	tcp, other := net.Pipe()
	defer tcp.Close()
	defer other.Close()
	if mayCommand(tcp, me) {
		t.Error("a connection of nobody is taken")
	}
}
