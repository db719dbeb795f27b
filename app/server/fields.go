package server

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/belfry-social/belfry/modules/social"
)

// refusedFields turns what huma found wrong into refused fields. Huma's messages repeat values and its locations are
// not JSON Pointers; only bounds that come from our own schemas are taken over.
func refusedFields(errs []error) []social.Field {
	out := make([]social.Field, 0, len(errs))
	for _, err := range errs {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			var detailer huma.ErrorDetailer
			if !errors.As(err, &detailer) {
				continue
			}
			d = detailer.ErrorDetail()
		}
		out = append(out, fieldOf(d))
	}
	// Huma walks a map to find unknown members: sort, so that the same body gives the same answer.
	sort.SliceStable(out, func(i, j int) bool { return out[i].Pointer < out[j].Pointer })
	return out
}

func fieldOf(d *huma.ErrorDetail) social.Field {
	in, path := splitLocation(d.Location)
	f := social.Field{In: in}
	switch {
	case d.Message == validation.MsgUnexpectedProperty:
		path = unknownMember(d, path)
		f.Code, f.Detail = social.FieldUnknown, "There is no such field."
	case strings.HasPrefix(d.Message, before(validation.MsgExpectedRequiredProperty)):
		name := between(d.Message, validation.MsgExpectedRequiredProperty)
		path = append(path, name)
		f.Code, f.Detail = social.FieldRequired, "This field is needed."
	case strings.HasPrefix(d.Message, "required "):
		f.Code, f.Detail = social.FieldRequired, "This parameter is needed."
	case strings.HasPrefix(d.Message, refusedMember):
		code, pointer, _ := strings.Cut(strings.TrimPrefix(d.Message, refusedMember), " ")
		return social.BodyField(pointer, social.FieldCode(code), "This does not have the form that is expected.")
	default:
		f.Code, f.Detail = judge(d.Message)
	}
	f.Pointer = jsonPointer(path)
	return f
}

// verdict is how one message of huma is told. detail has one verb for the bound, if the message has one.
type verdict struct {
	message string // a format of package validation
	code    social.FieldCode
	detail  string
}

var verdicts = []verdict{
	{validation.MsgExpectedMinLength, social.FieldTooShort, "At least %s characters."},
	{validation.MsgExpectedMaxLength, social.FieldTooLong, "At most %s characters."},
	{validation.MsgExpectedMinItems, social.FieldTooShort, "At least %s items."},
	{validation.MsgExpectedMaxItems, social.FieldTooMany, "At most %s items."},
	{validation.MsgExpectedMinProperties, social.FieldTooShort, "At least %s members."},
	{validation.MsgExpectedMaxProperties, social.FieldTooMany, "At most %s members."},
	{validation.MsgExpectedMinimumNumber, social.FieldTooSmall, "At least %s."},
	{validation.MsgExpectedExclusiveMinimumNumber, social.FieldTooSmall, "More than %s."},
	{validation.MsgExpectedMaximumNumber, social.FieldTooLarge, "At most %s."},
	{validation.MsgExpectedExclusiveMaximumNumber, social.FieldTooLarge, "Less than %s."},
	{validation.MsgExpectedOneOf, social.FieldBadFormat, "One of %s."},
	{validation.MsgExpectedArrayItemsUnique, social.FieldDuplicate, "Give each item once."},
	{validation.MsgExpectedBoolean, social.FieldWrongType, "True or false."},
	{validation.MsgExpectedInteger, social.FieldWrongType, "A whole number."},
	{validation.MsgExpectedNumber, social.FieldWrongType, "A number."},
	{validation.MsgExpectedString, social.FieldWrongType, "A string."},
	{validation.MsgExpectedArray, social.FieldWrongType, "A list."},
	{validation.MsgExpectedObject, social.FieldWrongType, "An object."},
	{validation.MsgExpectedRFC3339DateTime, social.FieldBadFormat, "A time as RFC 3339 has it."},
	{validation.MsgExpectedRFC3986URI, social.FieldBadFormat, "A URL."},
	{validation.MsgExpectedRFC5322Email, social.FieldBadFormat, "A mail address."},
	{validation.MsgExpectedRFC4122UUID, social.FieldBadFormat, "An id."},
	{"invalid integer", social.FieldBadFormat, "A whole number."},
	{"invalid float", social.FieldBadFormat, "A number."},
	{"invalid boolean", social.FieldBadFormat, "true or false."},
}

// judge gives code and detail for a message.
func judge(message string) (social.FieldCode, string) {
	for _, v := range verdicts {
		if message != v.message && (!strings.ContainsRune(v.message, '%') || !strings.HasPrefix(message, before(v.message))) {
			continue
		}
		detail := v.detail
		if strings.Contains(detail, "%s") {
			detail = fmt.Sprintf(detail, between(message, v.message))
		}
		return v.code, detail
	}
	return social.FieldBadFormat, "This does not have the form that is expected."
}

// before is the constant beginning of a format.
func before(format string) string {
	head, _, _ := strings.Cut(format, "%")
	return head
}

// between is what stands for the verb of a format in a message that was made with it.
func between(message, format string) string {
	head, tail, _ := strings.Cut(format, "%")
	if len(tail) > 0 {
		tail = tail[1:]
	}
	return strings.TrimSuffix(strings.TrimPrefix(message, head), tail)
}

var locationPart = regexp.MustCompile(`[^.\[\]]+`)

// splitLocation reads huma's "body.items[3].tags".
func splitLocation(location string) (in string, path []string) {
	parts := locationPart.FindAllString(location, -1)
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
		if name := d.Location[i+1:]; has(object, name) {
			_, parent := splitLocation(d.Location[:i])
			return append(parent, name)
		}
	}
	return path
}

func has(object map[string]any, name string) bool {
	_, ok := object[name]
	return ok
}

// httpFault is the fault for an error that huma itself decided on.
func httpFault(status int, errs []error) *social.Fault {
	if status != 422 {
		return routerFault(status)
	}
	fields := refusedFields(errs)
	if len(fields) == 0 {
		fields = []social.Field{social.BodyField("", social.FieldBadFormat, "This does not have the form that is expected.")}
	}
	f := social.Invalid(fields...)
	if len(fields) > 1 {
		f.Detail = strconv.Itoa(len(fields)) + " fields were refused."
	}
	return f
}
