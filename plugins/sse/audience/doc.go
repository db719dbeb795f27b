// Package audience tells who among the connected reads a stream, and what one of them may see of it.
//
// The index is laid out for ten thousand people with two hundred follows each. People and authors stand in tables
// and are named by their place, 4 bytes instead of 16. An edge is two words, one on each side: the author's place
// in Person.follows and the person's place in author.readers, each with the bell in its lowest bit and each list
// sorted: 8 bytes an edge. Since, the position above which a person may see a stream, is kept apart and only where
// it can still matter (Person.From): hardly anybody comes back to a place before one of their follows. A post
// costs the readers of its author who are here, and nothing for followers who are not.
//
// # Invariants
//
//   - a in p.follows if and only if p in a.readers, with the same bell. The own by: stream is the exception: it
//     stands under the place own in p.follows only.
//   - An author stands in the table while a known person reads them, and then under one place.
//   - An edge that is not in p.sinces has a since at or below p.From. So above p.From everything is known, and
//     nothing at or below it may be judged before the audience is asked again.
//
// There is no lock: an index belongs to one goroutine, the hub's. Hidden sets that Audience lends are replaced and
// never changed, so catch-up workers may read them.
package audience
