package app_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/config"
)

// TestWiring: the standard parts fit together, and so they do without each part that may be left out.
func TestWiring(t *testing.T) {
	o := app.Options{Err: io.Discard, Source: config.Source{ReadFile: func(string) ([]byte, error) {
		return nil,
			os.ErrNotExist
	}}}
	if err := app.Validate(o, app.Standard()...); err != nil {
		t.Errorf("standard: %v", err)
	}
	if err := app.Validate(o, fx.Options(app.Standard()...), fx.Invoke(func(missing) {})); err == nil ||
		!strings.Contains(err.Error(), "missing") || strings.Contains(err.Error(), "could not build arguments") {
		t.Errorf("a missing part: %v, want the root cause alone", err)
	}
}

type missing interface{ Missing() }
