package bench

import (
	"iter"

	"github.com/belfry-social/belfry/modules/social"
)

// Plan says who and what is there before a server starts.
type Plan struct {
	People  int              // numbered from 0; nobody is somebody's follower unless Follows says so
	Follows iter.Seq[Follow] // nil = none; none twice, and nobody follows themselves
	Service bool             // a service token is made
	Past                     // what they have done; zero = nothing
}

// Follow is one person reading another, by their numbers. The bell is on.
type Follow struct{ Follower, Followed int }

// People are those of a plan.
type People struct {
	List    []Person
	Service string // the service token; "" if none was planned

	// Threads are the top posts of Past.Threads, Posts those of Past.Posts, oldest first.
	Threads, Posts []Post
}

// Person is somebody who can ask.
type Person struct {
	ID    social.ID
	Name  string
	Token string // a personal token with the scopes a person's program needs
	// Cookie is used instead of Token where people were made through the API.
	Cookie string
}

// credential is the header line, without its end, that says who asks.
func (p Person) credential() string {
	if p.Token != "" {
		return "Authorization: Bearer " + p.Token
	}
	return "Cookie: " + p.Cookie
}
