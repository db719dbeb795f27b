package client

import (
	"fmt"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// Person is somebody who can ask.
type Person struct {
	ID    social.ID
	Name  string
	Token string // a personal token with the scopes a person's program needs
	// Cookie is used instead of Token where people were made through the API.
	Cookie string
}

// Credential is the header line, without its end, that says who asks.
func (p Person) Credential() string {
	if p.Token != "" {
		return "Authorization: Bearer " + p.Token
	}
	return "Cookie: " + p.Cookie
}

// Strangers makes people whom no server knows.
func Strangers(n int) []Person {
	list := make([]Person, n)
	for i := range list {
		// The token is as long as one of a server.
		list[i] = Person{ID: social.NewID(), Name: fmt.Sprintf("p%d", i), Token: "bf_" + strings.Repeat("0", 43)}
	}
	return list
}
