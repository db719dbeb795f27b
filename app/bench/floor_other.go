//go:build !linux

package bench

import (
	"context"
	"errors"
)

func listenBare(context.Context, string, func()) error {
	return errors.New("a floor needs epoll: it is for Linux")
}
