package config

import (
	"encoding"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
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
	if err := yaml.UnmarshalWithOptions([]byte(text), f.value.Addr().Interface(), yaml.Strict()); err != nil {
		return errors.New("not a value of this key")
	}
	return nil
}

// checkScalar gives durations and sizes an error with a place; the decoder has none for them.
func (f field) checkScalar(n ast.Node) error {
	text := strings.Trim(n.String(), `"'`)
	if f.value.Type() == reflect.TypeFor[time.Duration]() {
		_, err := time.ParseDuration(text)
		return err
	}
	if u, ok := reflect.New(f.value.Type()).Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	return nil
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

// leaves are the keys below a struct that hold a value.
func leaves(v reflect.Value, prefix string) (list []field) {
	for _, f := range children(v) {
		if prefix != "" {
			f.key = prefix + "." + f.key
		}
		_, text := reflect.New(f.value.Type()).Interface().(encoding.TextUnmarshaler)
		if f.value.Kind() == reflect.Struct && !text {
			list = append(list, leaves(f.value, f.key)...)
			continue
		}
		list = append(list, f)
	}
	return list
}
