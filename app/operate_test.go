package app

import (
	"os/user"
	"testing"
)

// The account of an operator is the process's, and with sudo that of whoever asked.
func TestAccount(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := account([]string{"SUDO_USER=", "HOME=/"}); got != u.Username {
		t.Errorf("%q, want %q", got, u.Username)
	}
	if got, want := account([]string{"SUDO_USER=alice"}), u.Username+" (sudo by alice)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
