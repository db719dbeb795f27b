package storagetest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/belfry-social/belfry/storage"
)

// dbWaiting are the cases about waiting, contexts and the end of the store.
var dbWaiting = []dbCase{
	{"ended context", "a context that has ended runs nothing", endedContext},
	{"waiting context", "a caller that waits heeds its context, and does not run later", waitingContext},
	{"running context", "once the function runs, its context changes nothing", runningContext},
	{"committed", "a commit wakes the relay and waits for nobody", committed},
	{"closed", "a closed store answers ErrClosed", closed},
}

func endedContext(k *dbKit) {
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	var ran atomic.Bool
	err := k.InTx(ctx, func(tx storage.Tx) error { ran.Store(true); return add(k.ctx, tx, "one") })
	if !errors.Is(err, context.Canceled) {
		k.broken("InTx answered %v", err)
	}
	if ran.Load() {
		k.broken("the function ran")
	}
	k.wantNames()
}

func waitingContext(k *dbKit) {
	release := k.hold()
	ctx, cancel := context.WithCancel(k.ctx)
	var ran atomic.Bool
	waiter := k.queue(ctx, func(tx storage.Tx) error { ran.Store(true); return add(k.ctx, tx, "one") })
	cancel()
	if err := k.answer(waiter); !errors.Is(err, context.Canceled) { // answered while the writer is still held
		k.broken("InTx answered %v", err)
	}
	release()
	k.must(k.put("two"))
	if ran.Load() {
		k.broken("the function ran after its caller was told that it did not")
	}
	k.wantNames("two")
}

func runningContext(k *dbKit) {
	for _, beside := range []bool{false, true} {
		ctx, cancel := context.WithCancel(k.ctx)
		release := k.hold()
		name := "alone"
		if beside {
			name = "beside"
		}
		runner := k.queue(ctx, func(tx storage.Tx) error {
			if err := add(ctx, tx, name+" one"); err != nil {
				return err
			}
			cancel()
			return add(ctx, tx, name+" two")
		})
		if beside {
			other := k.queue(k.ctx, func(tx storage.Tx) error { return add(k.ctx, tx, "other") })
			release()
			k.must(k.answer(other))
		} else {
			release()
		}
		k.must(k.answer(runner))
	}
	k.wantNames("alone one", "alone two", "beside one", "beside two", "other")
}

func committed(k *dbKit) {
	wakes := k.Committed()
	for range 100 { // nobody listens
		k.must(k.InTx(k.ctx, func(storage.Tx) error { return nil }))
	}
	select {
	case <-wakes:
	default:
	}
	k.must(k.put("one"))
	select {
	case <-wakes:
	case <-k.ctx.Done():
		k.broken("no wake-up after a commit")
	}
	k.wantNames("one")
}

func closed(k *dbKit) {
	k.must(k.put("one"))
	k.must(k.Healthy())
	k.must(k.Close())
	if err := k.put("two"); !errors.Is(err, storage.ErrClosed) {
		k.broken("InTx answered %v", err)
	}
	if err := k.Read(k.ctx, func(storage.Querier) error { return nil }); !errors.Is(err, storage.ErrClosed) {
		k.broken("Read answered %v", err)
	}
	k.must(k.Close())
}
