//go:build !linux

package wire

import (
	"net"

	"go.uber.org/zap"
)

// HaveEpoll reports whether this system has the epoll holder.
const HaveEpoll = false

func newEpoll(cfg Config, log *zap.Logger) Holder { return newParked(cfg, log) }

// setOptions bounds what the kernel holds back of a slow client.
func setOptions(c *net.TCPConn, cfg Config) { _ = c.SetWriteBuffer(cfg.SendBuffer) }
