package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// strict puts file, line and column in front of an error of the parser or decoder. What stands around the place is
// left out, other than the library would do: a secret may be in the next line.
func (l *loader) strict(prefix string, err error) error {
	var bad yaml.Error
	if !errors.As(err, &bad) || bad.GetToken() == nil {
		return fmt.Errorf("%s: %s%w", l.file, prefix, err)
	}
	p := bad.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s%s", l.file, p.Line, p.Column, prefix, bad.GetMessage())
}

// at puts file, line and column of a node in front of err.
func (l *loader) at(n ast.Node, err error) error {
	p := n.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %w", l.file, p.Line, p.Column, err)
}

// located puts file, line and column in front of errors that begin with a key of the file.
func (l *loader) located(err error) error {
	var list interface{ Unwrap() []error }
	if errors.As(err, &list) {
		var out []error
		for _, e := range list.Unwrap() {
			out = append(out, l.located(e))
		}
		return errors.Join(out...)
	}
	key, _, _ := strings.Cut(err.Error(), ":")
	if where := l.origin[key]; where != "" && !strings.HasPrefix(where, l.file+":") {
		return fmt.Errorf("%s: %w", where, err)
	}
	if n := l.find(key); n != nil {
		return l.at(n, err)
	}
	return err
}

func prefixed(prefix string, err error) error {
	if strings.Contains(err.Error(), prefix) {
		return err
	}
	return fmt.Errorf("%s.%w", prefix, err)
}
