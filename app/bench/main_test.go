package bench_test

import (
	"os"
	"testing"

	"github.com/belfry-social/belfry/app"
)

// TestMain is the whole program when a scenario starts it: a server or a floor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "bench") {
		app.Main()
	}
	os.Exit(m.Run())
}
