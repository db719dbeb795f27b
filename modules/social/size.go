package social

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written "64MiB", "16KiB", "2GiB" or as a plain number in config.yaml.
type Size int64

// ErrBadSize is returned for text that is not a size.
var ErrBadSize = errors.New("not a size: write 512, 64KiB, 16MiB or 2GiB")

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText reads a size; it is never negative.
func (s *Size) UnmarshalText(b []byte) error {
	text, factor := strings.TrimSpace(string(b)), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return ErrBadSize
	}
	*s = Size(n * factor)
	return nil
}

// MarshalText writes the largest unit that divides the size.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s >= Size(u.bytes) && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
