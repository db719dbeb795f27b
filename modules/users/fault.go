package users

import (
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules"
)

// wrap says what was attempted, but lets a fault through as it is.
func wrap(err error, format string, args ...any) error {
	var f *modules.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
