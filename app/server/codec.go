package server

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// refusedMember begins the text of decodeJSON's errors; code and pointer follow. Huma keeps nothing but the text.
const refusedMember = "refused member: "

// decodeJSON is json.Unmarshal with an error that says which member does not fit, by code and JSON Pointer. It meets
// what a schema lets through: 1.0 for a whole number, or text that a type of its own refuses.
func decodeJSON(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	code := social.FieldBadFormat
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		code = social.FieldWrongType
	}
	path := memberThatFails(data, reflect.TypeOf(into))
	return errors.New(refusedMember + string(code) + " " + jsonPointer(path))
}

// memberThatFails finds the way down to the first member of an object that does not decode into t.
func memberThatFails(data []byte, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var members map[string]json.RawMessage
	if t.Kind() != reflect.Struct || json.Unmarshal(data, &members) != nil {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if raw, ok := members[name]; ok && json.Unmarshal(raw, reflect.New(f.Type).Interface()) != nil {
			return append([]string{name}, memberThatFails(raw, f.Type)...)
		}
	}
	return nil
}

// encodeJSON is the form of every answer: encoding/json's own, without a line end. ETags are made of these bytes,
// so a module that compares If-Match gets them with json.Marshal. A body with a method AppendJSON writes itself, in
// the same form.
func encodeJSON(v any) ([]byte, error) {
	if own, ok := v.(interface {
		AppendJSON(b []byte) ([]byte, error)
	}); ok {
		return own.AppendJSON(make([]byte, 0, 2048))
	}
	return json.Marshal(v)
}
