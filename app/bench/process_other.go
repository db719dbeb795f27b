//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errNoFigures = errors.New("not known on this system")

func cpuOf(int) (time.Duration, error) { return 0, errNoFigures }

func cpuHere() time.Duration { return 0 }

func memoryOf(int) (Memory, error) { return Memory{}, errNoFigures }

func resetPeak(int) {}
