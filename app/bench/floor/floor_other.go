//go:build !linux

package floor

import (
	"context"
	"errors"
)

func Serve(context.Context, string, func()) error {
	return errors.New("a floor needs epoll: it is for Linux")
}
