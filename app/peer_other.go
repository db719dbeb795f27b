//go:build !linux

package app

import "net"

// ownOnly leaves it to the modes of the socket and its directory who may connect: they are the owner's alone.
type ownOnly struct{ net.Listener }
