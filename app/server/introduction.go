package server

import (
	_ "embed"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// introduction is what a reader of the document meets first, in CommonMark.
//
//go:embed assets/introduction.md
var introduction string

// groups are the tags of operations in the order in which a newcomer needs them.
var groups = []huma.Tag{
	{Name: "server", Description: "What this site is, offers and allows. Ask it first: limits are its own."},
	{Name: "auth", Description: "Accounts, sessions of browsers, tokens of programs, tickets for streams."},
	{Name: "users", Description: "People, and how one stands to another."},
	{Name: "follows", Description: "Following, with or without the bell, which rings for each post."},
	{Name: "posts", Description: "Posts, comments, likes, and the lists of them."},
	{Name: "media", Description: "Pictures, uploaded first and named in a post or profile then."},
	{Name: "notifications", Description: "The inbox: what others did, seen, read and put away, one by one or in groups."},
	{Name: "events", Description: "Everything as it happens, and what happened while one was away."},
	{Name: "endpoints", Description: "Where else notifications go, such as a webhook, and how each delivery went."},
}

// describeGroups puts the groups that have operations into the document, those of other modules behind ours.
func describeGroups(doc *huma.OpenAPI) {
	used := map[string]bool{}
	for _, op := range operations(doc) {
		for _, name := range op.Tags {
			used[name] = true
		}
	}
	doc.Tags = nil
	for _, g := range groups {
		if used[g.Name] {
			doc.Tags = append(doc.Tags, &g)
			delete(used, g.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: name})
	}
}
