package notifications_test

import (
	"fmt"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// BenchmarkLike is the notification's part of a like: a transaction with its row and its announcement, 64 writers,
// without fsync. "fresh" begins a group each time, "joins" joins one of 64 groups.
func BenchmarkLike(b *testing.B) {
	for _, posts := range []int{1 << 30, 64} {
		b.Run(map[bool]string{true: "fresh", false: "joins"}[posts > 64], func(b *testing.B) {
			w := newWorld(b)
			author := w.user("alice")
			var made []event.PostInfo
			for range min(posts, b.N+64) {
				id := social.NewID()
				made = append(made, event.PostInfo{ID: id, RootID: id, Author: author, RootAuthor: author.ID,
					Visibility: event.Public, Excerpt: "harbour"})
			}
			next := make(chan int)
			go func() {
				for i := range b.N {
					next <- i
				}
				close(next)
			}()
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := <-next
					liker := social.UserRef{ID: social.NewID(), Username: fmt.Sprint("fan", i), DisplayName: fmt.Sprint("Fan ", i)}
					fact := event.PostLiked{Post: made[i%len(made)], Liker: liker, At: w.now()}
					if err := w.DB.InTx(b.Context(), func(tx storage.Tx) error {
						return w.Bus.Emit(b.Context(), tx,
							fact)
					}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkCounts counts for a person with 500 unread groups.
func BenchmarkCounts(b *testing.B) {
	w := newWorld(b)
	p := w.post("alice", "harbour")
	for i := range 500 {
		w.post("bob", fmt.Sprint(i), under(p))
	}
	b.ResetTimer()
	for b.Loop() {
		w.counts("alice")
	}
}

// BenchmarkList reads the first page of 20 of 5,000 rows.
func BenchmarkList(b *testing.B) {
	w := newWorld(b)
	p := w.post("alice", "harbour")
	for i := range 5000 {
		w.post("bob", fmt.Sprint(i), under(p))
	}
	b.ResetTimer()
	for b.Loop() {
		if _, err := w.s.List(b.Context(), w.user("alice").ID, notifications.Filter{Grouped: true},
			social.PageQuery{Limit: 20}); err != nil {
			b.Fatal(err)
		}
	}
}
