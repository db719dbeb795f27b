package bench

import (
	"context"
	"flag"
)

// Scenario is one thing that can be measured.
type Scenario struct {
	Name  string
	Short string   // one line for the list
	Small []string // flags of the quick size, which `bench all` and the tests use
	Help  string   // more lines for --help; may be empty
	Needs []string // flags that have to be above 0; no number may be below

	Longest int // how large -size may be; 0 = the scenario has none or it does not matter
	// New declares the flags, with their defaults, and returns what runs the scenario once they were parsed. What it
	// returns is called at most once.
	New func(fs *flag.FlagSet) func(ctx context.Context, b *Bench) error
}

// What the site takes at most, in characters.
const (
	longestPost         = 5000
	longestNotification = 2000
)

// scenarios is every scenario, in the order of the list and of `bench all`.
func scenarios() []Scenario {
	return []Scenario{
		floorScenario(),
		idleScenario(),
		fanoutScenario(),
		notifyScenario(),
		replayScenario(),
		reconnectScenario(),
		stuckScenario(),
		postScenario(),
		readScenario(),
		followersScenario(),
		liveScenario(),
	}
}
