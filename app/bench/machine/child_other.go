//go:build !linux

package machine

import "syscall"

func ChildAttributes() *syscall.SysProcAttr { return nil }
