package event

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// Fact is something that became true in the open transaction.
type Fact interface {
	// FactName is the fact's stable name, for errors.
	FactName() string
}

// Reaction answers one kind of fact. Make it with On.
type Reaction struct {
	name string
	run  func(ctx context.Context, tx storage.Tx, f Fact) error
}

// On makes a reaction of a function. name is "<module>: <what>", for errors. fn runs inside the transaction
// of the fact, asks its questions with tx only, is small, and may run more than once.
func On[F Fact](name string, fn func(ctx context.Context, tx storage.Tx, f F) error) Reaction {
	return Reaction{name: name, run: func(ctx context.Context, tx storage.Tx, f Fact) error {
		if fact, ok := f.(F); ok {
			return fn(ctx, tx, fact)
		}
		return nil
	}}
}

// MaxDepth bounds facts emitted by reactions to facts.
const MaxDepth = 2

// ErrTooDeep is returned by Emit when a reaction's reaction emits once more.
var ErrTooDeep = errors.New("facts are nested too deep")

// Bus carries facts to reactions, in the order of one slice. React is called before the first Emit; from then
// on a Bus is read only and safe for concurrent use. The zero Bus has no reactions.
type Bus struct{ reactions []Reaction }

// React appends reactions. app/bindings.go is the only caller.
func (b *Bus) React(r ...Reaction) { b.reactions = append(b.reactions, r...) }

type depthKey struct{}

// Emit tells every reaction of f, inside tx. The first error ends it and has to undo the transaction.
// A reaction may emit another fact, at most MaxDepth deep, and never the kind it reacts to.
func (b *Bus) Emit(ctx context.Context, tx storage.Tx, f Fact) error {
	depth, _ := ctx.Value(depthKey{}).(int)
	if depth >= MaxDepth {
		return fmt.Errorf("emit %s: %w", f.FactName(), ErrTooDeep)
	}
	ctx = context.WithValue(ctx, depthKey{}, depth+1)
	for _, r := range b.reactions {
		if err := r.run(ctx, tx, f); err != nil {
			return fmt.Errorf("%s on %s: %w", r.name, f.FactName(), err)
		}
	}
	return nil
}
