package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// variable is the name of a key in the environment.
func variable(key string) string {
	return "BELFRY_" + strings.ToUpper(strings.NewReplacer(".", "_", "/", "_").Replace(key))
}

// environment looks up BELFRY_<KEY>, or the file that BELFRY_<KEY>_FILE names.
func (l *loader) environment(key string) (name, value string, ok bool) {
	name = variable(key)
	for _, kv := range l.src.Environ {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case name:
			l.used[k] = true
			value, ok = v, true
		case name + "_FILE":
			l.used[k] = true
			text, err := l.read(v)
			if err != nil {
				l.note(key, nil, fmt.Sprintf("%s: %v", k, err))
				return k, "", false
			}
			return k, strings.TrimRight(string(text), "\r\n"), true
		}
	}
	return name, value, ok
}

// serviceLink is the form of the variables that Kubernetes puts into every pod for each service of the namespace. A
// service named "belfry" gives BELFRY_PORT, one named "belfry-server" BELFRY_SERVER_PORT.
var serviceLink = regexp.MustCompile(`^BELFRY_(.+_)?(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|` +
	`PORT=[a-z]+://|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=)`)

// leftover refuses the variables that seem meant for a key and name none: below a known section, or nearly a key. It
// returns the names of the others, which are somebody else's.
func (l *loader) leftover() (ignored []string) {
	known := make([]string, 0, len(l.keys))
	sections := map[string]bool{} // "SERVER"
	for key := range l.keys {
		section, _, _ := strings.Cut(key, ".")
		sections[strings.ToUpper(section)] = true
		known = append(known, variable(key))
	}
	slices.Sort(known)
	for _, kv := range l.src.Environ {
		name, _, _ := strings.Cut(kv, "=")
		rest, ours := strings.CutPrefix(name, "BELFRY_")
		if !ours || name == "BELFRY_CONFIG" || l.used[name] {
			continue
		}
		section, _, below := strings.Cut(rest, "_")
		hint := didYouMean(name, known)
		if serviceLink.MatchString(kv) || (hint == "" && !(below && sections[section])) {
			ignored = append(ignored, name)
			continue
		}
		l.note(name, nil, name+": no such key"+hint)
	}
	return ignored
}
