package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// mistake is one thing that is wrong, with its place in front.
type mistake struct {
	line, column int // 0 = not of the file
	text         string
}

// note keeps a mistake, the first of each key. Its place is the node's, else that of what was given for the key: a
// variable, a flag, or the nearest section of the file around it.
func (l *loader) note(key string, n ast.Node, says string) {
	if l.told[key] {
		return
	}
	l.told[key], l.told[listOf(key)] = true, true
	if from := l.origin[listOf(key)]; n == nil && from != "" && !strings.HasPrefix(from, l.file+":") {
		l.mistakes = append(l.mistakes, mistake{text: from + ": " + says})
		return
	}
	for at := key; n == nil && at != ""; at = parent(at) {
		n = l.places[at]
	}
	if n == nil {
		l.mistakes = append(l.mistakes, mistake{text: says})
		return
	}
	p, text := n.GetToken().Position, l.at(n.GetToken(), errors.New(says)).Error()
	l.mistakes = append(l.mistakes, mistake{line: p.Line, column: p.Column, text: text})
}

// blame takes what a Validate says about a section ("" = everything). It begins with the key, or is about the section.
func (l *loader) blame(section string, err error) {
	if list := split(err); len(list) > 1 {
		for _, e := range list {
			l.blame(section, e)
		}
		return
	}
	says := err.Error()
	if section != "" && !strings.HasPrefix(says, section+".") && !strings.HasPrefix(says, section+":") {
		says = section + "." + says
	}
	key, _, _ := strings.Cut(says, ":")
	if section != "" && !l.keys[listOf(key)] {
		key, says = section, section+": "+err.Error()
	}
	l.note(key, nil, says)
}

// all is every mistake, in the order of the file, behind those that are not in it.
func (l *loader) all() error {
	slices.SortStableFunc(l.mistakes, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var b strings.Builder
	for _, m := range l.mistakes {
		if len(l.mistakes) > 1 {
			b.WriteString("\n  ")
		}
		b.WriteString(m.text)
	}
	return errors.New(b.String())
}

// unreadable puts file, line and column in front of what the parser says. What stands around the place is left out,
// other than the library would do: a secret may be in the next line.
func (l *loader) unreadable(err error) error {
	var bad yaml.Error
	if !errors.As(err, &bad) || bad.GetToken() == nil {
		return fmt.Errorf("%s: %w", l.file, err)
	}
	return l.at(bad.GetToken(), errors.New(bad.GetMessage()))
}

// at puts file, line and column in front of err.
func (l *loader) at(t *token.Token, err error) error {
	p := t.Position
	return fmt.Errorf("%s:%d:%d: %w", l.file, p.Line, p.Column, err)
}

// split gives the errors that were joined.
func split(err error) []error {
	list, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // a list that stands inside is one error
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range list.Unwrap() {
		out = append(out, split(e)...)
	}
	return out
}

// item is the key of one item of a list; parent and listOf lead back to the list.
func item(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

func listOf(key string) string {
	if strings.HasSuffix(key, "]") {
		return parent(key)
	}
	return key
}

// didYouMean names the nearest of the known names, if one is near: at most two letters, and half of the name, are
// other ones. It returns "" else.
func didYouMean(name string, known []string) string {
	best, least := "", min(2, len(name)/2)
	for _, k := range known {
		if d := distance(name, k); d <= least && (best == "" || d < distance(name, best)) {
			best = k
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// distance is Levenshtein's: how many letters have to be put in, taken out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
