package pipeline

import (
	"embed"
	"errors"
	"fmt"
	"strconv"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

//go:embed migrations
var files embed.FS

// Migrations are the tables of the pipeline.
var Migrations = storage.EmbeddedMigrations("delivery", files)

// windowOf gives the condition and order of one page of a list by key. Its text is one of four.
func windowOf(w social.Window, args []any) (string, []any) {
	sign, order, where := " < $", " DESC", ""
	if w.Rising {
		sign, order = " > $", ""
	}
	if w.Bound {
		args = append(args, w.Key)
		where = " AND key" + sign + strconv.Itoa(len(args))
	}
	args = append(args, w.Limit)
	return where + " ORDER BY key" + order + " LIMIT $" + strconv.Itoa(len(args)), args
}

func viewsOf[R, V any](l social.List[R], view func(R) V) social.List[V] {
	out := social.List[V]{Items: make([]V, len(l.Items)), Next: l.Next, Prev: l.Prev}
	for i, r := range l.Items {
		out.Items[i] = view(r)
	}
	return out
}

// wrap names what was attempted, and leaves faults as they are.
func wrap(what string, err error) error {
	var f *social.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("delivery: %s: %w", what, err)
}
