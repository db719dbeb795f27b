//go:build !linux

package wire

import (
	"time"

	"go.uber.org/zap"
)

// HaveEpoll reports whether this system has the epoll holder.
const HaveEpoll = false

func newEpoll(cfg Config, log *zap.Logger) Holder { return newParked(cfg, log) }

// What these kernels tell of a connection is not asked for.
func unsent(int) int            { return 0 }
func silence(int) time.Duration { return 0 }
func giveUp(int, time.Duration) {}
