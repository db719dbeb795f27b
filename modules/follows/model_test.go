package follows_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/storage"
)

type ctx = context.Context

// Random acts against plain maps, in several processes on one store, with much, little and no memory.
func TestModel(t *testing.T) {
	s := open(t) // hears the facts
	processes := []*site{s}
	for _, n := range []int{0, 3, 1 << 10} {
		cfg := follows.DefaultConfig()
		cfg.CachedEdges = n
		processes = append(processes, s.process(cfg))
	}
	rapid.Check(t, func(r *rapid.T) {
		var names []string
		for _, n := range []string{"ann", "ben", "cid", "dan"} {
			names = append(names, fmt.Sprintf("%s%d", n, len(s.users.ids)))
			s.users.add(names[len(names)-1])
		}
		type wish struct {
			order int
			bell  bool
		}
		model := map[[2]string]wish{}
		ended := map[[2]string]bool{}
		gone := map[string]bool{}
		followers := map[string]int{} // as the facts tell
		who := rapid.SampledFrom(names)
		tell := func() {
			for _, f := range s.drain() {
				switch f := f.(type) {
				case event.FollowStarted:
					followers[f.Followed.Username]++
				case event.FollowEnded:
					followers[s.users.name(f.Followed)]--
				}
			}
		}
		for step := range rapid.IntRange(1, 50).Draw(r, "steps") {
			s := rapid.SampledFrom(processes).Draw(r, "process")
			a, b := who.Draw(r, "a"), who.Draw(r, "b")
			pair := [2]string{a, b}
			switch op := rapid.SampledFrom([]string{"follow", "follow", "bell", "unfollow", "end", "work"}).Draw(r, "op"); op {
			case "follow", "bell", "unfollow":
				var err error
				bell := rapid.Bool().Draw(r, "bell")
				switch op {
				case "follow":
					_, err = s.Follow(t.Context(), s.actor(a), s.id(b), follows.Wishes{})
				case "bell":
					_, err = s.Follow(t.Context(), s.actor(a), s.id(b), follows.Wishes{Bell: &bell})
				default:
					_, err = s.Unfollow(t.Context(), s.actor(a), s.id(b))
				}
				if want := a == b || gone[a] || gone[b]; (err != nil) != want {
					r.Fatalf("%s %v: %v, refused should be %v", op, pair, err, want)
				} else if want {
					break
				}
				old, had := model[pair]
				switch {
				case op == "unfollow":
					delete(model, pair)
				case !had:
					model[pair] = wish{step, op == "follow" || bell}
				case op == "bell":
					model[pair] = wish{old.order, bell}
				}
			case "end":
				if !gone[a] && rapid.IntRange(0, 3).Draw(r, "really") == 0 {
					gone[a] = true
					s.end(t, a)
					for p := range model {
						if p[1] == a {
							ended[p] = true
						}
					}
					maps.DeleteFunc(model, func(p [2]string, _ wish) bool { return p[0] == a || p[1] == a })
				}
			case "work":
				s.work(t)
			}
			s, reader := rapid.SampledFrom(processes).Draw(r, "reading process"), who.Draw(r, "reader")
			var want []string
			for _, p := range slices.SortedFunc(maps.Keys(model), func(x,
				y [2]string) int {
				return cmp.Compare(model[x].order, model[y].order)
			}) {
				if p[0] == reader {
					want = append(want, fmt.Sprint(p[1], model[p].bell))
				}
			}
			var got []string
			s.Read(t, func(q storage.Querier) error {
				list, err := s.Service.Following(t.Context(), q, s.id(reader))
				last := int64(0)
				for _, e := range list {
					got = append(got, fmt.Sprint(s.users.name(e.User), e.Bell))
					if e.SinceKey <= last || e.Since == 0 {
						r.Fatalf("edges out of order: %+v", list)
					}
					last = e.SinceKey
				}
				return err
			})
			if !slices.Equal(got, want) {
				r.Fatalf("%s follows %v, want %v", reader, got, want)
			}
			told := map[[2]string]bool{}
			s.Read(t, func(q storage.Querier) error {
				list, err := s.Ended(t.Context(), q, s.id(reader))
				for _, e := range list {
					told[[2]string{reader, s.users.name(e.User)}] = true
				}
				if len(list) != len(told) {
					r.Fatalf("ended twice: %v", list)
				}
				return err
			})
			theirs := maps.Clone(ended)
			maps.DeleteFunc(theirs, func(p [2]string, _ bool) bool { return p[0] != reader })
			if !gone[reader] && !maps.Equal(told, theirs) {
				r.Fatalf("%s is told of %v, want %v", reader, told, theirs)
			}
		}
		s.work(t)
		tell()
		for _, n := range names {
			want := 0
			for p := range model {
				if p[1] == n {
					want++
				}
			}
			if followers[n] != want && !gone[n] {
				r.Fatalf("the facts give %s %d followers, want %d", n, followers[n], want)
			}
			if !gone[n] {
				if got := s.list(t, n, false, pageLimit); len(got) != want {
					r.Fatalf("%s has followers %v, want %d", n, got, want)
				}
			}
		}
	})
}

const pageLimit = 2
