package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// WrittenBy is how many bytes a process has caused to be sent to the disk: proc(5), io. False when that is not known.
func WrittenBy(pid int) (int64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
