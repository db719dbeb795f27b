package machine

import "syscall"

// ChildAttributes end a child process with its parent, and keep the terminal's interrupt from the child, so that the
// parent can end it in order.
func ChildAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
