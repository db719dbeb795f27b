package server

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Rate is how much may be spent in how long, written "600/1m" in config.yaml. The zero Rate is not limited.
type Rate struct {
	Count int           // at least 1
	Per   time.Duration // more than 0
}

// errBadRate is returned for text that is not a rate.
var errBadRate = errors.New(`not a rate: write a number and a duration, as "120/1m"`)

// UnmarshalText reads the form of String.
func (r *Rate) UnmarshalText(b []byte) error {
	count, per, ok := strings.Cut(string(b), "/")
	if !ok {
		return errBadRate
	}
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil || n < 1 {
		return errBadRate
	}
	d, err := time.ParseDuration(strings.TrimSpace(per))
	if err != nil || d <= 0 {
		return errBadRate
	}
	*r = Rate{Count: n, Per: d}
	return nil
}

// MarshalText writes the form of String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the number, a slash and the duration without zero parts: "600/1m", "10/15m", "10/1h".
func (r Rate) String() string {
	per := r.Per.String()
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return strconv.Itoa(r.Count) + "/" + per
}

// interval is the time in which one unit comes back.
func (r Rate) interval() time.Duration { return r.Per / time.Duration(r.Count) }

// slowerThanOneASecond reports a rate that would limit somebody who asks once a second.
func (r Rate) slowerThanOneASecond() bool { return r.interval() > time.Second }
