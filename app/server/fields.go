package server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/belfry-social/belfry/modules/social"
)

// notExpected is the detail of a value that no rule says more of.
const notExpected = "Not of the expected form."

// fieldMessage is the form in which a refused field passes through huma, which keeps a location and a text: the code,
// the detail, and the JSON Pointer from that location on.
func fieldMessage(code social.FieldCode, detail, pointer string) string {
	return string(code) + "|" + detail + "|" + pointer
}

// nameFields gives huma's rules their words: each message becomes a fieldMessage. The verbs are huma's; %.0v stands
// for a reason that is not told on.
func nameFields() {
	for _, m := range []struct {
		message *string
		code    social.FieldCode
		detail  string
	}{
		{&validation.MsgUnexpectedProperty, social.FieldUnknown, "There is no such field."},
		{&validation.MsgExpectedMinLength, social.FieldTooShort, "At least %d characters."},
		{&validation.MsgExpectedMaxLength, social.FieldTooLong, "At most %d characters."},
		{&validation.MsgExpectedMinItems, social.FieldTooShort, "At least %d items."},
		{&validation.MsgExpectedMaxItems, social.FieldTooMany, "At most %d items."},
		{&validation.MsgExpectedMinProperties, social.FieldTooShort, "At least %d members."},
		{&validation.MsgExpectedMaxProperties, social.FieldTooMany, "At most %d members."},
		{&validation.MsgExpectedMinimumNumber, social.FieldTooSmall, "At least %v."},
		{&validation.MsgExpectedExclusiveMinimumNumber, social.FieldTooSmall, "More than %v."},
		{&validation.MsgExpectedMaximumNumber, social.FieldTooLarge, "At most %v."},
		{&validation.MsgExpectedExclusiveMaximumNumber, social.FieldTooLarge, "Less than %v."},
		{&validation.MsgExpectedOneOf, social.FieldBadFormat, "One of %s."},
		{&validation.MsgExpectedArrayItemsUnique, social.FieldDuplicate, "Give each item once."},
		{&validation.MsgExpectedBoolean, social.FieldWrongType, "True or false."},
		{&validation.MsgExpectedInteger, social.FieldWrongType, "A whole number."},
		{&validation.MsgExpectedNumber, social.FieldWrongType, "A number."},
		{&validation.MsgExpectedString, social.FieldWrongType, "A string."},
		{&validation.MsgExpectedArray, social.FieldWrongType, "A list."},
		{&validation.MsgExpectedObject, social.FieldWrongType, "An object."},
		{&validation.MsgExpectedRFC3339DateTime, social.FieldBadFormat, "A time in the form of RFC 3339."},
		{&validation.MsgExpectedRFC3986URI, social.FieldBadFormat, "A URL.%.0v"},
		{&validation.MsgExpectedRFC5322Email, social.FieldBadFormat, "A mail address.%.0v"},
		{&validation.MsgExpectedRFC4122UUID, social.FieldBadFormat, "An id.%.0v"},
	} {
		*m.message = fieldMessage(m.code, m.detail, "")
	}
	validation.MsgExpectedRequiredProperty = fieldMessage(social.FieldRequired, "This field is needed.", "/%s")
}

// fieldOf is what one error of huma's says. A location of huma's is no JSON Pointer, and a message that nameFields
// did not give may repeat the refused value.
func fieldOf(d *huma.ErrorDetail) social.Field {
	in, path := splitLocation(d.Location)
	parts := strings.Split(d.Message, "|")
	switch {
	case len(parts) == 3 && parts[0] == string(social.FieldUnknown):
		path = unknownMember(d, path)
	case len(parts) == 3:
	case in != "body" && d.Value == "":
		parts = []string{string(social.FieldRequired), "This parameter is needed.", ""}
	default:
		parts = []string{string(social.FieldBadFormat), notExpected, ""}
	}
	return social.Field{In: in, Pointer: jsonPointer(path) + parts[2], Code: social.FieldCode(parts[0]), Detail: parts[1]}
}

func byPointer(a, b social.Field) int { return cmp.Compare(a.Pointer, b.Pointer) }

// splitLocation reads huma's "body.items[3].tags".
func splitLocation(location string) (in string, path []string) {
	parts := strings.FieldsFunc(location, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	if len(parts) == 0 {
		return "body", nil
	}
	return parts[0], parts[1:]
}

// unknownMember is the path of a member that the schema does not have. Its name may hold dots and brackets, so
// it is looked up in the object it was found in.
func unknownMember(d *huma.ErrorDetail, path []string) []string {
	object, _ := d.Value.(map[string]any)
	for i, c := range []byte(d.Location) {
		if c != '.' {
			continue
		}
		if _, found := object[d.Location[i+1:]]; found {
			_, parent := splitLocation(d.Location[:i])
			return append(parent, d.Location[i+1:])
		}
	}
	return path
}

// humaFault is the fault for an error that huma itself decided on.
func humaFault(status int, errs []error) *social.Fault {
	if status != 422 {
		return routerFault(status)
	}
	var fields []social.Field
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			fields = append(fields, fieldOf(d))
		}
	}
	if len(fields) == 0 {
		fields = []social.Field{social.BodyField("", social.FieldBadFormat, notExpected)}
	}
	// Huma walks a map to find unknown members: sort, so that the same body gives the same answer.
	slices.SortStableFunc(fields, byPointer)
	f := social.Invalid(fields...)
	if len(fields) > 1 {
		f.Detail = fmt.Sprintf("%d fields were refused.", len(fields))
	}
	return f
}
