package users

import (
	"context"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a zone's name is valid or not on every machine alike
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// The bounds of a profile, in code points, and what an account begins with.
const (
	MaxDisplayName  = 60
	MaxBio          = 500
	minEmail        = 3
	maxEmail        = 254
	maxLocale       = 35
	DefaultLocale   = "en"
	DefaultTimeZone = "UTC"
)

// draft is an account that is about to be made.
type draft struct {
	id           social.ID
	username     string
	displayName  string
	email        *string
	locale       string
	role         social.Role
	passwordHash string
}

// draftAccount checks everything but the password and gives the account to make.
func draftAccount(r Registration, role social.Role) (draft, []social.Field) {
	var bad []social.Field
	d := draft{id: social.NewID(), locale: DefaultLocale, role: role}
	var ok bool
	if d.username, ok = FoldName(r.Username); !ok {
		bad = append(bad, social.BodyField("/username", social.FieldBadFormat,
			"A letter, then 1 to 29 letters, digits and underscores."))
	}
	d.displayName = d.username
	if r.DisplayName != nil {
		d.displayName, bad = checkText("/display_name", *r.DisplayName, MaxDisplayName, false, bad)
	}
	if r.Email != nil {
		d.email, bad = checkEmail("/email", *r.Email, bad)
	}
	if r.Locale != nil {
		d.locale, bad = checkLocale("/locale", *r.Locale, bad)
	}
	return d, bad
}

// insert writes the account; usernameTaken if the name is, or was taken before.
func (s *Service) insert(ctx context.Context, tx storage.Tx, d draft) (Me, error) {
	retired := sha256.Sum256([]byte(d.username))
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM retired_names WHERE hash = $1`, retired[:]).Scan(&one)
	if found, err := storage.Found(err); err != nil {
		return Me{}, err
	} else if found {
		return Me{}, usernameTaken()
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return Me{}, err
	}
	n, err := tx.Exec(ctx, `INSERT INTO users (id, key, username, display_name, email, role, state, locale, time_zone,
		password_hash, created_at, found_name)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (username) DO NOTHING`,
		d.id, key, d.username, d.displayName, d.email, string(d.role), StateActive, d.locale, DefaultTimeZone, d.passwordHash,
		int64(s.now()), foundForm(d.displayName))
	if err != nil {
		return Me{}, err
	}
	if n == 0 {
		return Me{}, usernameTaken()
	}
	return s.meByID(ctx, tx, d.id)
}

// checkText takes one line of text, which is a name, or several: NFC, no control characters. A name shows something, if
// it is not empty, and does not reorder the text around it; lines that show nothing are none.
func checkText(pointer, text string, limit int, lines bool, bad []social.Field) (string, []social.Field) {
	text = norm.NFC.String(text)
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case !lines && !social.Line(text):
		bad = append(bad, social.BodyField(pointer, social.FieldBadFormat, social.NotALine))
	case lines && (!utf8.ValidString(text) || strings.ContainsFunc(text, control)):
		bad = append(bad, social.BodyField(pointer, social.FieldBadFormat, "Text without control characters."))
	case lines && !social.Visible(text):
		text = ""
	case text != "" && !social.Visible(text):
		bad = append(bad, social.BodyField(pointer, social.FieldBadFormat, "At least one character that shows."))
	case utf8.RuneCountInString(text) > limit:
		bad = append(bad, tooLong(pointer, limit))
	}
	return text, bad
}

// checkEmail looks at the form only: something, one @, something, no spaces. Whether mail arrives is for a
// verification to find out.
func checkEmail(pointer, email string, bad []social.Field) (*string, []social.Field) {
	local, domain, _ := strings.Cut(email, "@")
	odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '@' }
	switch {
	case len(email) < minEmail:
		bad = append(bad, social.BodyField(pointer, social.FieldTooShort, "At least 3 characters."))
	case len(email) > maxEmail:
		bad = append(bad, tooLong(pointer, maxEmail))
	case local == "" || domain == "" || strings.ContainsFunc(local, odd) || strings.ContainsFunc(domain, odd):
		bad = append(bad, social.BodyField(pointer, social.FieldBadFormat, "An address like name@example.org."))
	}
	return &email, bad
}

// checkLocale takes a BCP 47 tag and gives its canonical form.
func checkLocale(pointer, locale string, bad []social.Field) (string, []social.Field) {
	if len(locale) <= maxLocale {
		if tag, err := language.Parse(locale); err == nil && tag != language.Und {
			return tag.String(), bad
		}
	}
	return "", append(bad, social.BodyField(pointer, social.FieldBadFormat, "A language tag like en or pt-BR."))
}

func checkTimeZone(pointer, name string, bad []social.Field) (string, []social.Field) {
	if name != "" && name != "Local" && len(name) <= 64 {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone.String(), bad
		}
	}
	return "", append(bad, social.BodyField(pointer, social.FieldBadFormat, "A time zone like Europe/Berlin."))
}

func tooLong(pointer string, limit int) social.Field {
	return social.BodyField(pointer, social.FieldTooLong, "At most "+strconv.Itoa(limit)+" characters.")
}
