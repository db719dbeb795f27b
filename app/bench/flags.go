package bench

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkNumbers refuses numbers that are negative or not finite, zero for a flag in Needs, and texts longer than the
// server accepts.
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

// numbers is a flag of several whole numbers: "1,8,64". A number may end in k or M.
type numbers []int

// String is flag.Value's.
func (n *numbers) String() string {
	text := make([]string, len(*n))
	for i, one := range *n {
		text[i] = strconv.Itoa(one)
	}
	return strings.Join(text, ",")
}

// Set is flag.Value's.
func (n *numbers) Set(text string) error {
	*n = nil
	for word := range strings.SplitSeq(text, ",") {
		digits, factor := word, 1
		if cut, ok := strings.CutSuffix(word, "k"); ok {
			digits, factor = cut, 1000
		} else if cut, ok := strings.CutSuffix(word, "M"); ok {
			digits, factor = cut, 1_000_000
		}
		one, err := strconv.Atoi(digits)
		if err != nil || one < 1 {
			return fmt.Errorf("%q is not a number above 0", word)
		}
		*n = append(*n, one*factor)
	}
	return nil
}

func (n *numbers) sum() (all int) {
	for _, one := range *n {
		all += one
	}
	return all
}
