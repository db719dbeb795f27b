//go:build !linux

package client

import "syscall"

func littleRoom(string, string, syscall.RawConn) error { return nil }
