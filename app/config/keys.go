package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// field is one key of the configuration.
type field struct {
	key   string
	value reflect.Value
}

// set reads a value given as text, as YAML would.
func (f field) set(text string) error {
	if f.value.Kind() == reflect.String {
		f.value.SetString(text)
		return nil
	}
	if f.value.Kind() == reflect.Slice && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		text = "[" + text + "]"
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return f.wanted()
	}
	return f.decode(file.Docs[0].Body)
}

// longest is 40 years: the sum of a few durations, and six times one, are still below 2^63 nanoseconds.
const longest = 350_400 * time.Hour

// decode reads a value of the file. It changes the field only without an error, which says what is wanted here and
// repeats nothing of the value: that may be a secret.
func (f field) decode(n ast.Node) error {
	fresh := reflect.New(f.value.Type())
	switch to := fresh.Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(scalar(n))
		if err != nil {
			return f.wanted()
		}
		if d.Abs() > longest {
			return fmt.Errorf("must be at most %.0fh", longest.Hours())
		}
		*to = d
	case encoding.TextUnmarshaler:
		if err := to.UnmarshalText([]byte(scalar(n))); err != nil {
			return err
		}
	default:
		if f.value.Kind() == reflect.Int && n.Type() == ast.FloatType { // the decoder would cut it off
			return f.wanted()
		}
		if err := yaml.NodeToValue(n, to, yaml.Strict()); err != nil {
			return f.wanted()
		}
	}
	f.value.Set(fresh.Elem())
	return nil
}

// wanted says in plain words what a value has to look like.
func (f field) wanted() error {
	t := f.value.Type()
	if t.Kind() == reflect.Slice {
		if what := describe(t.Elem()); what != "" {
			return fmt.Errorf("must be a list, and each item %s", what)
		}
		return errors.New("must be a list")
	}
	if what := describe(t); what != "" {
		return fmt.Errorf("must be %s", what)
	}
	return errors.New("not a value of this key")
}

func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 500ms, 10s, 5m or 1h30m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number such as 10"
	case t.Kind() == reflect.Float64:
		return "a number such as 0.5"
	case t.Kind() == reflect.String:
		return "text"
	default:
		return ""
	}
}

// scalar is the text of a scalar node; that of a list or mapping fits nothing.
func scalar(n ast.Node) string {
	switch v := n.(type) {
	case *ast.LiteralNode:
		return v.Value.Value
	case ast.ScalarNode:
		return n.GetToken().Value
	default:
		return n.Type().String()
	}
}

// children are the keys of one struct of the configuration.
func children(v reflect.Value) (list []field) {
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); name != "" && name != "-" {
			list = append(list, field{key: name, value: v.Field(i)})
		}
	}
	return list
}

func names(list []field) []string {
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = f.key
	}
	return out
}

// isSection reports a struct that holds keys, not one that is written as text.
func isSection(v reflect.Value) bool {
	_, text := reflect.New(v.Type()).Interface().(encoding.TextUnmarshaler)
	return v.Kind() == reflect.Struct && !text
}

// leaves are the keys below a struct that hold a value.
func leaves(v reflect.Value, prefix string) (list []field) {
	for _, f := range children(v) {
		if prefix != "" {
			f.key = prefix + "." + f.key
		}
		if isSection(f.value) {
			list = append(list, leaves(f.value, f.key)...)
			continue
		}
		list = append(list, f)
	}
	return list
}
