//go:build !linux

package sse

import "go.uber.org/zap"

const haveEpoll = false

// newEpoll is not reached here: Validate refuses the name.
func newEpoll(cfg Config, log *zap.Logger) holder { return newParked(cfg, log) }
