//go:build !linux

package machine

import (
	"errors"
	"time"
)

var errNoFigures = errors.New("not known on this system")

func CPUOf(int) (time.Duration, error) { return 0, errNoFigures }

func cpuHere() time.Duration { return 0 }

func MemoryOf(int) (Memory, error) { return Memory{}, errNoFigures }

func writtenBy(int) Written { return Written{} }

func resetPeak(int) {}
