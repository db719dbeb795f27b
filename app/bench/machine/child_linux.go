package machine

import "syscall"

// ChildAttributes let a child end with us, and keep the terminal's interrupt from it: we end it in order.
func ChildAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
