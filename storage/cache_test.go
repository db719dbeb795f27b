package storage_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/storage"
)

// TestCacheModel runs random operations against a plain map: a cache never gives another value than the last one put
// under a key, never holds more than its limit, and drops nothing while there is room.
func TestCacheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		c := storage.NewCache[int](limit, func(v string) int { return len(v) })
		last, room := map[int]string{}, true // room: nothing had to go yet
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			v := strings.Repeat("v", rapid.IntRange(1, 12).Draw(t, "weight"))
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				c.Put(key, v)
				last[key] = v
			case 2:
				c.Update(key, func(string, bool) (string, bool) { return v, false })
			case 3:
				c.DeleteFunc(func(k int, _ string) bool { return k == key })
				delete(last, key)
			}
			size := 0
			for k, v := range last {
				size += len(v)
				if got, ok := c.Get(k); ok && got != v {
					t.Fatalf("key %d has %q, the last put was %q", k, got, v)
				}
			}
			room = room && size <= limit
			held := 0
			for k := range 10 {
				got, ok := c.Get(k)
				held += len(got)
				if _, want := last[k]; ok && !want || room && ok != want {
					t.Fatalf("key %d: there %t, put %t", k, ok, want)
				}
			}
			if held > limit {
				t.Fatalf("%d of %d are taken", held, limit)
			}
		}
	})
}

// TestCacheTooHeavy: what cannot fit is not kept, and takes the older value of its key away: that one is not true now.
func TestCacheTooHeavy(t *testing.T) {
	c := storage.NewCache[string](3, func(v string) int { return len(v) })
	c.Put("a", "aaa")
	c.Put("a", "aaaa")
	if v, ok := c.Get("a"); ok {
		t.Errorf("%q is kept", v)
	}
	c.Put("b", "bb")
	if c.Len() != 1 {
		t.Errorf("%d entries, want 1", c.Len())
	}
	c.Clear()
	if _, ok := c.Get("b"); ok || c.Len() != 0 {
		t.Error("something is left after Clear")
	}
}

func TestCacheFromManyGoroutines(t *testing.T) {
	c := storage.NewCache[int, int](8, nil)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 1000 {
				c.Put(i%16, g)
				c.Get(i % 16)
				c.Update(i%16, func(old int, ok bool) (int, bool) { return old + 1, ok })
				if i%100 == 0 {
					c.DeleteFunc(func(k, _ int) bool { return k%2 == 0 })
				}
			}
		})
	}
	all.Wait()
	if c.Len() > 8 {
		t.Errorf("%d entries, limit 8", c.Len())
	}
}

func TestCacheGetAll(t *testing.T) {
	c := storage.NewCache[string, int](10, nil)
	c.Put("a", 1)
	c.Put("b", 2)
	keys := []string{"b", "nothing", "a"}
	if got := c.GetAll(len(keys), func(i int) string { return keys[i] }); !slices.Equal(got, []int{2, 0, 1}) {
		t.Errorf("got %v", got)
	}
}
