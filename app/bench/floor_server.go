package bench

import (
	"context"
	"errors"
)

// floorCommand is the hidden name under which this program is a floor.
const floorCommand = "floor-server"

func serveFloor(context.Context, Options, []string) error { return errors.ErrUnsupported }
