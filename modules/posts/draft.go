package posts

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
)

// Draft is a post or a comment to be written. Text is in NFC and without control characters but tab and line feed.
type Draft struct {
	Text       string
	ReplyTo    social.ID        // zero = a top-level post
	Visibility event.Visibility // "" = public, or the top post's; not allowed in a comment
	Sensitive  bool
	Warning    *string
	Language   *string // BCP 47
	Media      []social.ID
}

const nothingShows = "A post needs a text that shows, or pictures."

// MaxMedia is how many pictures a post may have.
const MaxMedia = 10

// checked is a draft that keeps the rules, with what was found in its text.
type checked struct {
	Draft
	names []name
	tags  []Tag
}

// check looks at everything that needs no store. All faults of a draft come together.
func (d Draft) check(cfg Config) (checked, error) {
	var bad []social.Field
	refuse := func(pointer string, code social.FieldCode, detail string) {
		bad = append(bad, social.BodyField(pointer, code, detail))
	}
	switch {
	case !social.Visible(d.Text) && len(d.Media) == 0:
		refuse("/text", social.FieldRequired, nothingShows)
	case utf8.RuneCountInString(d.Text) > cfg.MaxText:
		refuse("/text", social.FieldTooLong, fmt.Sprintf("At most %d characters.", cfg.MaxText))
	}
	if len(d.Media) > MaxMedia {
		refuse("/media_ids", social.FieldTooMany, fmt.Sprintf("At most %d pictures.", MaxMedia))
	}
	for i, id := range d.Media {
		if slices.Contains(d.Media[:i], id) {
			refuse(fmt.Sprintf("/media_ids/%d", i), social.FieldDuplicate, "Name each picture once.")
		}
	}
	switch {
	case d.Visibility == "":
	case !d.ReplyTo.IsZero():
		refuse("/visibility", social.FieldNotAllowed, "A comment has the visibility of its post.")
	case d.Visibility != event.Public && d.Visibility != event.Followers && d.Visibility != event.Mentioned:
		refuse("/visibility", social.FieldBadFormat, "One of public, followers, mentioned.")
	}
	if w := d.Warning; w != nil {
		switch {
		case !social.Visible(*w):
			refuse("/warning", social.FieldTooShort, "At least 1 character that shows.")
		case !social.Line(*w):
			refuse("/warning", social.FieldBadFormat, social.NotALine)
		case utf8.RuneCountInString(*w) > cfg.MaxWarning:
			refuse("/warning", social.FieldTooLong, fmt.Sprintf("At most %d characters.", cfg.MaxWarning))
		}
	}
	if d.Language != nil {
		tag, err := language.Parse(*d.Language)
		if err != nil || len(*d.Language) > 35 || strings.ContainsRune(*d.Language, '_') {
			refuse("/language", social.FieldBadFormat, "A language tag of BCP 47, like en or pt-BR.")
		} else {
			canonical := tag.String()
			d.Language = &canonical
		}
	}
	c := checked{Draft: d}
	if len(bad) == 0 {
		c.names, c.tags = parse(d.Text)
		if len(c.tags) > cfg.MaxTags {
			refuse("/text", social.FieldTooMany, fmt.Sprintf("At most %d tags.", cfg.MaxTags))
		}
	}
	if len(bad) > 0 {
		return checked{}, social.Invalid(bad...)
	}
	if c.Visibility == "" {
		c.Visibility = event.Public
	}
	return c, nil
}
