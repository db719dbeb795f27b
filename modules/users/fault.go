package users

import (
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
)

// wrap says what was attempted, but lets a fault through as it is.
func wrap(err error, format string, args ...any) error {
	var f *social.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
