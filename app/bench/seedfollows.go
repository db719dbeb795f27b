package bench

import "iter"

// fansOf lets the n people from first on follow one author, who is not among them.
func fansOf(author, first, n int) iter.Seq[Follow] {
	return func(yield func(Follow) bool) {
		for i := range n {
			if !yield(Follow{Follower: first + i, Followed: author}) {
				return
			}
		}
	}
}
