package storagetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/storage"
)

// dbFates are the cases about what becomes of a transaction.
var dbFates = []dbCase{
	{"answered", "what InTx answered with nil is there, all of it", answered},
	{"refused", "a function's error undoes its transaction and is returned", refused},
	{"panic", "a panic is undone and is an error of that caller alone", panicked},
	{"goexit", "a function that ends its goroutine is undone, and the store goes on", exited},
	{"unique", "a key that is there already gives ErrUnique", unique},
	{"foreign key", "a row that refers to nothing is refused", orphan},
	{"over", "a transaction ends with its function", over},
	{"open rows", "rows that a function leaves open harm nobody", openRows},
	{"keys", "order keys rise in the order of commits and are never given out twice", keys},
	{"separate fates", "callers that share a commit keep separate fates", separateFates},
	{"dead batch", "when one caller ends the shared transaction, nothing of a refused caller stays " +
		"and nothing of an answered one is lost", deadBatch},
	{"swallowed", "a caller whose transaction has ended is refused, whatever its function returns", swallowed},
	{"sound refusal", "a refusal never rests on work that was undone", soundRefusal},
}

func answered(k *dbKit) {
	k.must(k.InTx(k.ctx, func(tx storage.Tx) error {
		return errors.Join(add(k.ctx, tx, "one"), add(k.ctx, tx, "two"))
	}))
	k.wantNames("one", "two")
	var n int64
	k.must(k.InTx(k.ctx, func(tx storage.Tx) (err error) {
		n, err = tx.Exec(k.ctx, `UPDATE kit_things SET key = 5`)
		return err
	}))
	if n != 2 {
		k.broken("Exec tells of %d changed rows, want 2", n)
	}
	k.must(k.InTx(k.ctx, func(storage.Tx) error { return nil }))
}

func refused(k *dbKit) {
	err := k.InTx(k.ctx, func(tx storage.Tx) error {
		k.must(add(k.ctx, tx, "one"))
		return fmt.Errorf("wrapped: %w", errKit)
	})
	if !errors.Is(err, errKit) {
		k.broken("InTx answered %v, want the function's error", err)
	}
	k.wantNames()
	k.must(k.put("two"))
	k.wantNames("two")
}

func panicked(k *dbKit) {
	err := k.InTx(k.ctx, func(tx storage.Tx) error {
		k.must(add(k.ctx, tx, "one"))
		panic("by the kit")
	})
	if err == nil {
		k.broken("InTx answered nil")
	}
	k.wantNames()
	k.must(k.put("two"))
	k.wantNames("two")
}

func exited(k *dbKit) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := k.InTx(k.ctx, func(tx storage.Tx) error {
			if err := add(k.ctx, tx, "one"); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
		if err == nil { // a store may end the caller's goroutine as well, and then never comes here
			k.broken("InTx answered nil")
		}
	}()
	select {
	case <-ended:
	case <-k.ctx.Done():
		k.Fatalf("rule broken: %s: its caller waits for ever", k.rule)
	}
	k.must(k.put("two"))
	k.wantNames("two")
}

func unique(k *dbKit) {
	k.must(k.put("one"))
	if err := k.put("one"); !errors.Is(err, storage.ErrUnique) {
		k.broken("a second row under a UNIQUE column gives %v", err)
	}
	twice := func(tx storage.Tx) error {
		_, err := tx.Exec(k.ctx, `INSERT INTO kit_parts (thing, part) VALUES ($1, $2)`, "one", []byte("part"))
		return err
	}
	k.must(k.InTx(k.ctx, twice))
	if err := k.InTx(k.ctx, twice); !errors.Is(err, storage.ErrUnique) {
		k.broken("a second row under a PRIMARY KEY gives %v", err)
	}
	returning := k.InTx(k.ctx, func(tx storage.Tx) error {
		var id int64
		return tx.QueryRow(k.ctx, `INSERT INTO kit_things (name) VALUES ($1) RETURNING id`, "one").Scan(&id)
	})
	if !errors.Is(returning, storage.ErrUnique) {
		k.broken("a second row by a statement with RETURNING gives %v", returning)
	}
	k.wantNames("one")
}

func orphan(k *dbKit) {
	err := k.InTx(k.ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(k.ctx, `INSERT INTO kit_parts (thing, part) VALUES ('none', $1)`, []byte("part"))
		return err
	})
	if err == nil || errors.Is(err, storage.ErrUnique) {
		k.broken("InTx answered %v", err)
	}
}

func over(k *dbKit) {
	var kept storage.Tx
	k.must(k.InTx(k.ctx, func(tx storage.Tx) error { kept = tx; return add(k.ctx, tx, "one") }))
	if err := add(k.ctx, kept, "two"); err == nil {
		k.broken("a transaction that is over takes statements")
	}
	if _, err := kept.NextKey(k.ctx); err == nil {
		k.broken("a transaction that is over gives keys")
	}
	k.wantNames("one")
	var reader storage.Querier
	k.must(k.Read(k.ctx, func(q storage.Querier) error { reader = q; return nil }))
	if _, err := names(k.ctx, reader); err == nil {
		k.broken("a reader that is over takes statements")
	}
}

func openRows(k *dbKit) {
	k.must(k.put("one"))
	k.must(k.put("two"))
	leave := func(q storage.Querier) error {
		rows, err := q.Query(k.ctx, `SELECT name FROM kit_things ORDER BY id`) //nolint:sqlclosecheck // this case is about it
		if err != nil {
			return err
		}
		rows.Next()
		return nil
	}
	for range 20 { // more than there are connections
		k.must(k.Read(k.ctx, leave))
		k.must(k.InTx(k.ctx, func(tx storage.Tx) error { return leave(tx) }))
	}
	k.must(k.put("three"))
	k.wantNames("one", "two", "three")
}

func keys(k *dbKit) {
	const callers, calls = 16, 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range calls {
				err := k.InTx(k.ctx, func(tx storage.Tx) error {
					if _, err := tx.NextKey(k.ctx); err != nil {
						return err
					}
					key, err := tx.NextKey(k.ctx)
					if err != nil {
						return err
					}
					name := fmt.Sprint(i, " ", j)
					if _, err := tx.Exec(k.ctx, `INSERT INTO kit_things (name, key) VALUES ($1, $2)`, name, key); err != nil {
						return err
					}
					if j%5 == 4 {
						return errKit
					}
					return nil
				})
				if (err != nil) != (j%5 == 4) {
					k.broken("InTx answered %v", err)
				}
			}
		})
	}
	wg.Wait()
	var list []int64
	k.must(k.Read(k.ctx, func(q storage.Querier) error {
		rows, err := q.Query(k.ctx, `SELECT key FROM kit_things ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key int64
			if err := rows.Scan(&key); err != nil {
				return err
			}
			list = append(list, key)
		}
		return rows.Err()
	}))
	if len(list) != callers*calls*4/5 {
		k.broken("%d rows, want %d", len(list), callers*calls*4/5)
	}
	for i := 1; i < len(list); i++ {
		if list[i] < list[i-1]+2 {
			k.broken("key %d came after key %d, with one between them", list[i], list[i-1])
		}
	}
}

// fate is what one call of the load below wants to happen to it.
type fate int

const (
	good fate = iota
	bad
	clash
	panics
	ends
)

// load has callers do many calls at once, and checks that exactly the answered ones are there. mix gives the fate
// of a call.
func (k *dbKit) load(callers, calls int, mix func(n int) fate) {
	k.Helper()
	k.must(k.put("first"))
	var mu sync.Mutex
	told := map[string]bool{"first": true}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range calls {
				name, f := fmt.Sprintf("%d-%d", i, j), mix(i*calls+j)
				err := k.InTx(k.ctx, func(tx storage.Tx) error { return k.meet(tx, name, f) })
				if (err == nil) != (f == good) {
					k.broken("a call of fate %d was answered %v", f, err)
				}
				mu.Lock()
				told[name] = err == nil
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	there := map[string]bool{}
	for _, name := range k.names() {
		there[name] = true
		if !told[name] {
			k.broken("a refused caller's row is in the database: %s", name)
		}
	}
	for name, yes := range told {
		if yes && !there[name] {
			k.broken("an answered caller's row is lost: %s", name)
		}
	}
}

func (k *dbKit) meet(tx storage.Tx, name string, f fate) error {
	if err := add(k.ctx, tx, name); err != nil {
		return err
	}
	switch f {
	case bad:
		return errKit
	case clash:
		return add(k.ctx, tx, "first")
	case panics:
		panic("by the kit")
	case ends:
		_, err := tx.Exec(k.ctx, endsTransaction)
		return err
	case good:
	}
	return nil
}

func separateFates(k *dbKit) {
	k.load(32, 20, func(n int) fate { return []fate{good, good, bad, good, clash, good, panics, good}[n*7%8] })
}

func deadBatch(k *dbKit) {
	k.load(32, 30, func(n int) fate {
		switch {
		case n%31 == 7:
			return ends
		case n%11 == 3:
			return bad
		}
		return good
	})
}

func swallowed(k *dbKit) {
	k.must(k.put("first"))
	for _, shared := range []bool{false, true} {
		release := k.hold()
		var beside []<-chan error
		if shared {
			beside = append(beside, k.queue(k.ctx, func(tx storage.Tx) error { return add(k.ctx, tx, "before") }))
		}
		own := k.queue(k.ctx, func(tx storage.Tx) error {
			_ = add(k.ctx, tx, "lost one")
			_, _ = tx.Exec(k.ctx, endsTransaction)
			_ = add(k.ctx, tx, "lost two")
			return nil
		})
		if shared {
			beside = append(beside, k.queue(k.ctx, func(tx storage.Tx) error { return add(k.ctx, tx, "after") }))
		}
		release()
		if err := k.answer(own); err == nil {
			k.broken("InTx answered nil")
		}
		for _, b := range beside {
			k.must(k.answer(b))
		}
	}
	got := k.names()
	slices.Sort(got)
	if want := []string{"after", "before", "first"}; !slices.Equal(got, want) {
		k.broken("the store has %q, want %q", got, want)
	}
}

// soundRefusal has one caller take a name and give it up when it runs again, and a second one be refused because of
// that name, in a batch that a third one ends.
func soundRefusal(k *dbKit) {
	k.must(k.put("first"))
	release := k.hold()
	runs := 0
	taker := k.queue(k.ctx, func(tx storage.Tx) error {
		if runs++; runs > 1 {
			return errKit
		}
		return add(k.ctx, tx, "name")
	})
	second := k.queue(k.ctx, func(tx storage.Tx) error { return add(k.ctx, tx, "name") })
	ender := k.queue(k.ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(k.ctx, endsTransaction)
		return err
	})
	release()
	took, refusal := k.answer(taker), k.answer(second)
	if err := k.answer(ender); err == nil {
		k.broken("the caller that ended the transaction was answered nil")
	}
	there := slices.Contains(k.names(), "name")
	if there != (took == nil || refusal == nil) {
		k.broken("answers %v and %v, and the name is there: %v", took, refusal, there)
	}
	if refusal != nil && took != nil {
		k.broken("a caller was refused for a name that nobody has")
	}
}
