package social

import (
	"iter"
	"strings"
)

// HeaderList gives the elements of a list header (RFC 9110 5.6.1) in order, trimmed and without empty ones. A comma
// between quotes belongs to its element.
func HeaderList(header string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for header != "" {
			end, quoted := 0, false
			for end < len(header) && (quoted || header[end] != ',') {
				quoted = quoted != (header[end] == '"')
				end++
			}
			item := strings.Trim(header[:end], " \t")
			header = header[min(end+1, len(header)):]
			if item != "" && !yield(item) {
				return
			}
		}
	}
}

// HasETag reports whether an If-None-Match or If-Match header is *, or names a tag. If-None-Match compares weakly: W/
// counts for nothing (RFC 9110 13.1.2). If-Match does not, and then a weak tag equals none (13.1.1).
func HasETag(header, tag string, weakly bool) bool {
	if strings.Trim(header, " \t") == "*" {
		return true
	}
	for given := range HeaderList(header) {
		if weakly {
			given, tag = strings.TrimPrefix(given, "W/"), strings.TrimPrefix(tag, "W/")
		}
		if given == tag && !strings.HasPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
