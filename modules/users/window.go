package users

import (
	"strconv"

	"github.com/belfry-social/belfry/modules/social"
)

// windowTail is the end of a list's query: the bound of the page, its order, its length. next is the number of the
// first free placeholder. Four texts for a list, whatever is asked.
func windowTail(w social.Window, next int) string {
	compare, order := "<", "DESC"
	if w.Rising {
		compare, order = ">", "ASC"
	}
	tail := ""
	if w.Bound {
		tail = " AND key " + compare + " $" + strconv.Itoa(next)
		next++
	}
	return tail + " ORDER BY key " + order + " LIMIT $" + strconv.Itoa(next)
}

// windowArgs are the arguments of a query that ends in windowTail.
func windowArgs(w social.Window, args ...any) []any {
	if w.Bound {
		args = append(args, w.Key)
	}
	return append(args, w.Limit)
}
