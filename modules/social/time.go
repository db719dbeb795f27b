package social

import (
	"errors"
	"time"
)

// Clock tells wall time. It is injected everywhere: app passes time.Now, tests pass their own. Wall time is
// for display, expiry and retention only; nothing is ordered by it.
type Clock func() time.Time

// Now is the clock's time as it is stored.
func (c Clock) Now() Time { return TimeOf(c()) }

// Time is a moment in milliseconds since the Unix epoch, as stored in SQL and shown in JSON. The zero Time
// means "never"; a field that may be absent is a *Time.
type Time int64

// ErrBadTime is returned for text that is not RFC 3339.
var ErrBadTime = errors.New("not an RFC 3339 time")

const timeLayout = "2006-01-02T15:04:05.000Z"

func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// Std returns the moment as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Add returns the moment d later, cut to milliseconds.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Milliseconds()) }

// Sub returns how much later t is than u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }

// String returns RFC 3339 in UTC with three decimals.
func (t Time) String() string { return t.Std().Format(timeLayout) }

func (t Time) AppendText(b []byte) ([]byte, error) { return t.Std().AppendFormat(b, timeLayout), nil }

func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText reads RFC 3339 with any offset and any number of decimals.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil || v.Year() < 1 || v.Year() > 9999 {
		return ErrBadTime
	}
	*t = TimeOf(v)
	return nil
}
