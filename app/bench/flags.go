package bench

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"time"
)

// checkNumbers refuses what no run can have: a number below zero or without an end, none of what the scenario needs,
// and texts longer than the site takes.
func (s Scenario) checkNumbers(fs *flag.FlagSet) (err error) {
	fs.VisitAll(func(f *flag.Flag) {
		n, ok := numberOf(f)
		switch {
		case !ok || err != nil:
		case n < 0 || math.IsNaN(n) || math.IsInf(n, 0):
			err = fmt.Errorf("-%s cannot be %s", f.Name, f.Value)
		case n == 0 && slices.Contains(s.Needs, f.Name):
			err = fmt.Errorf("-%s has to be above 0", f.Name)
		case s.Longest > 0 && f.Name == "size" && n > float64(s.Longest):
			err = fmt.Errorf("-size: the site takes %d characters at most", s.Longest)
		}
	})
	return err
}

// numberOf is the value of a flag that is a number or a duration.
func numberOf(f *flag.Flag) (float64, bool) {
	if g, ok := f.Value.(flag.Getter); ok {
		switch v := g.Get().(type) {
		case int:
			return float64(v), true
		case float64:
			return v, true
		case time.Duration:
			return float64(v), true
		}
	}
	return 0, false
}
