package bench

import (
	"iter"
	"math/rand/v2"
)

// popularity is the exponent of the zipf law by which people are followed.
const popularity = 1.1

// everybodyFollows lets each person follow so many others, drawn by popularity: person 0 is the most popular. each has
// to be below people. The same seed gives the same follows each time the sequence is read.
func everybodyFollows(seed uint64, people, each int) iter.Seq[Follow] {
	return func(yield func(Follow) bool) {
		r := rand.New(rand.NewPCG(seed, 0xf0110))
		zipf := rand.NewZipf(r, popularity, 1, uint64(people-1))
		last := make([]int, people) // who followed them last, plus one
		for i := range people {
			last[i] = i + 1 // nobody follows themselves
			for n, tries := 0, 0; n < each; tries++ {
				other := int(zipf.Uint64())
				if tries > 20*each { // those left are hardly ever drawn: anybody, then
					other = r.IntN(people)
				}
				if last[other] == i+1 {
					continue
				}
				last[other] = i + 1
				n++
				if !yield(Follow{Follower: i, Followed: other}) {
					return
				}
			}
		}
	}
}

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
