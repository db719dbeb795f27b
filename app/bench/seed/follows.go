package seed

import (
	"iter"
	"math/rand/v2"
)

// CrowdFollows has each of people follow n others, chosen by a Zipf law: few are followed by many, as in life. It is
// the same for the same seed.
func CrowdFollows(seed uint64, people, n int) iter.Seq[Follow] {
	n = min(n, people-1)
	return func(yield func(Follow) bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		popular := rand.NewZipf(rng, 1.1, 10, uint64(max(people-1, 1)))
		shuffled := rng.Perm(people)
		chosen := make(map[int]bool, n)
		for i := range people {
			clear(chosen)
			for tries := 0; len(chosen) < n; tries++ {
				other := shuffled[popular.Uint64()%uint64(people)]
				if tries > 4*n { // the popular ones are all in: anybody
					other = rng.IntN(people)
				}
				if other == i || chosen[other] {
					continue
				}
				chosen[other] = true
				if !yield(Follow{Follower: i, Followed: other}) {
					return
				}
			}
		}
	}
}

// FansOf lets the n people from first on follow one author, who is not among them.
func FansOf(author, first, n int) iter.Seq[Follow] {
	return func(yield func(Follow) bool) {
		for i := range n {
			if !yield(Follow{Follower: first + i, Followed: author}) {
				return
			}
		}
	}
}
