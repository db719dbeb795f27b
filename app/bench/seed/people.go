package seed

import (
	"iter"

	"github.com/belfry-social/belfry/app/bench/client"
)

// Plan describes the people and the past of a site before a server starts.
type Plan struct {
	People  int              // numbered from 0; they follow only as Follows says
	Follows iter.Seq[Follow] // nil = none; none twice, and nobody follows themselves
	Service bool             // a service token is made
	Past                     // what they have done; zero = nothing
}

// Follow is one person reading another, by their numbers. The bell is on.
type Follow struct{ Follower, Followed int }

// People are those of a plan.
type People struct {
	List    []client.Person
	Service string // the service token; "" if none was planned

	// Threads are the top posts of Past.Threads, Posts those of Past.Posts, oldest first.
	Threads, Posts []Post
}
