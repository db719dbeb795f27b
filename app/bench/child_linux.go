package bench

import "syscall"

// childAttributes let a child end with us, and keep the terminal's interrupt from it: we end it in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
