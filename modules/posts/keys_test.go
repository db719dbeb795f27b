package posts_test

import (
	"context"

	"github.com/belfry-social/belfry/storage"
)

// givingBack is a store that gives the order keys of undone transactions out again, as the contract of NextKey
// allows. For one writer at a time.
type givingBack struct {
	storage.DB
	last int64 // of committed transactions
}

func (g *givingBack) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	var t keyTx
	err := g.DB.InTx(ctx, func(tx storage.Tx) error {
		t = keyTx{tx, g.last}
		return fn(&t)
	})
	if err == nil {
		g.last = t.last
	}
	return err
}

type keyTx struct {
	storage.Tx
	last int64
}

func (t *keyTx) NextKey(context.Context) (int64, error) {
	t.last++
	return t.last, nil
}
