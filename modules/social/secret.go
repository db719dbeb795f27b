package social

// Secret is a text that is shown nowhere: it prints, logs and marshals as "***". Keys of the configuration that
// hold tokens or passwords have this type.
type Secret string

// masked stands for a secret that is set.
const masked = "***"

// Reveal gives the text itself, to whoever needs it on the wire.
func (s Secret) Reveal() string { return string(s) }

// String hides the text; an empty secret is shown as empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

func (s Secret) GoString() string { return `"` + s.String() + `"` }

func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}
