package event_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/storage"
)

// TestReactionsRunInOrder: in the order given, each only at its own kind of fact.
func TestReactionsRunInOrder(t *testing.T) {
	var bus event.Bus
	var got []string
	note := func(name string) { got = append(got, name) }
	bus.React(
		event.On("first", func(context.Context, storage.Tx, event.PostLiked) error { note("first"); return nil }),
		event.On("other", func(context.Context, storage.Tx, event.PostUnliked) error { note("other"); return nil }),
		event.On("second", func(context.Context, storage.Tx, event.PostLiked) error { note("second"); return nil }))
	if err := bus.Emit(context.Background(), nil, event.PostLiked{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"first", "second"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestFirstErrorEndsIt: what follows does not run, and the error names who failed at what.
func TestFirstErrorEndsIt(t *testing.T) {
	var bus event.Bus
	refused := errors.New("refused")
	ran := false
	bus.React(
		event.On("users: count", func(context.Context, storage.Tx, event.PostLiked) error { return refused }),
		event.On("late", func(context.Context, storage.Tx, event.PostLiked) error { ran = true; return nil }))
	err := bus.Emit(context.Background(), nil, event.PostLiked{})
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "users: count on post liked") || ran {
		t.Errorf("%v, later reaction ran: %v", err, ran)
	}
}

// TestFactsDoNotCircle: a reaction that emits what it reacts to is stopped at depth 2.
func TestFactsDoNotCircle(t *testing.T) {
	var bus event.Bus
	depth := 0
	bus.React(event.On("circle", func(ctx context.Context, tx storage.Tx, f event.PostLiked) error {
		depth++
		return bus.Emit(ctx, tx, f)
	}))
	if err := bus.Emit(context.Background(), nil, event.PostLiked{}); !errors.Is(err, event.ErrTooDeep) {
		t.Errorf("a circle of facts ended with %v", err)
	}
	if depth != event.MaxDepth {
		t.Errorf("it went %d deep, want %d", depth, event.MaxDepth)
	}
}
