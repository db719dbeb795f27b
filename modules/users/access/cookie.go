package access

import (
	"strconv"
	"time"
)

// Cookie is the session cookie's form, which depends on the public URL. Secure is for https.
type Cookie struct {
	Name   string
	Secure bool
}

// Set is the value of a Set-Cookie header that hands over a session's secret. The server decides when a session
// ends; maxAge, cut to seconds, only bounds how long a browser keeps the cookie.
func (c Cookie) Set(secret string, maxAge time.Duration) string {
	v := c.Name + "=" + secret + "; Path=/; Max-Age=" + strconv.FormatInt(int64(maxAge/time.Second), 10) + "; HttpOnly"
	if c.Secure {
		v += "; Secure"
	}
	return v + "; SameSite=Lax"
}

// Clear is the value of a Set-Cookie header that takes the cookie away.
func (c Cookie) Clear() string { return c.Set("", 0) }

// SetCookie is the header that hands a session's secret over, in this site's form.
func (s *Service) SetCookie(secret string) string { return s.cookie.Set(secret, s.cfg.SessionMax) }
