package seed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/modules/social"
)

// story is what happens on a site, decided before anything is written. Everything that has an id has an order key
// of its own, and its id is a function of seed and key.
type story struct {
	plan    Plan
	people  People
	follows [][]int32 // whom each person follows
	fans    []int     // how many follow each person
	threads []thread
	posted  []int // top-level posts of each person
}

// thread is a top-level post with what stands below it.
type thread struct {
	author  int
	replies []reply
}

type reply struct {
	author int
	to     int // place of the reply that is answered; -1 = the top post
	depth  int // 0 = below the top post
	below  int // how many stand below it
}

// The streams of random numbers, so that a change in one part of a plan leaves the others as they are.
const (
	randThreads = iota + 1
	randPosts
)

const (
	maxDepth  = 8       // of a reply below others; far below what posts keeps of a place's ancestors
	keysPerMS = 1000    // so that no site of a size that fits a disk reaches into the future
	nameForm  = "p%d"   // of a person
	tokenName = "bench" // of every token
	pushWord  = "bench" // custom.bench
)

func newStory(plan Plan) (*story, error) {
	if err := plan.validate(); err != nil {
		return nil, err
	}
	n := plan.People
	s := &story{plan: plan, follows: make([][]int32, n), fans: make([]int, n), posted: make([]int, n)}
	s.people.List = make([]client.Person, n)
	for i := range s.people.List {
		s.people.List[i] = client.Person{ID: s.id(userKey(i)), Name: fmt.Sprintf(nameForm, i),
			Token: s.secret(userKey(i) + 1)}
	}
	if plan.Service {
		s.people.Service = s.secret(userKey(n))
	}
	if plan.Follows != nil {
		for f := range plan.Follows {
			s.follows[f.Follower] = append(s.follows[f.Follower], int32(f.Followed))
			s.fans[f.Followed]++
		}
	}
	s.converse()
	s.publish()
	return s, nil
}

func (p Plan) validate() error {
	if max(len(p.Threads), len(p.Pushes), p.Authors) > p.People || p.People < 1 {
		return errors.New("threads, pushes or authors of more people than there are")
	}
	return nil
}

// userKey is the order key of a person's account; that of the token is the next.
func userKey(person int) int64 { return 1 + 2*int64(person) }

// at is the time of an order key.
func (s *story) at(key int64) social.Time { return s.began() + social.Time(key/keysPerMS) }

func (s *story) began() social.Time { return s.plan.At.Add(-time.Hour) }

// noise is 32 random bytes that belong to an order key.
func (s *story) noise(use byte, key int64) [sha256.Size]byte {
	var b [17]byte
	b[0] = use
	binary.BigEndian.PutUint64(b[1:], s.plan.Seed)
	binary.BigEndian.PutUint64(b[9:], uint64(key))
	return sha256.Sum256(b[:])
}

// id is a UUIDv7 that rises with the key, as those of one process do.
func (s *story) id(key int64) social.ID {
	noise := s.noise('i', key)
	var id social.ID
	binary.BigEndian.PutUint64(id[:8], uint64(s.at(key))<<16|0x7000|uint64(key%keysPerMS))
	copy(id[8:], noise[:8])
	id[8] = id[8]&0x3f | 0x80
	return id
}

// secret is a token.
func (s *story) secret(key int64) string {
	noise := s.noise('t', key)
	return "bf_" + base64.RawURLEncoding.EncodeToString(noise[:])
}

func (s *story) rand(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(s.plan.Seed, stream)) }

// converse decides what the threads are.
func (s *story) converse() {
	r, n := s.rand(randThreads), s.plan.People
	for author, size := range s.plan.Threads {
		t := thread{author: author, replies: make([]reply, 0, size)}
		s.posted[author]++
		for i := range size {
			one := reply{author: r.IntN(n), to: -1}
			if i > 0 && r.IntN(3) == 0 {
				if to := r.IntN(i); t.replies[to].depth < maxDepth {
					one.to, one.depth = to, t.replies[to].depth+1
				}
			}
			for above := one.to; above >= 0; above = t.replies[above].to {
				t.replies[above].below++
			}
			t.replies = append(t.replies, one)
		}
		s.threads = append(s.threads, t)
	}
}

// publish decides who writes the posts. Their ids are known when their keys are.
func (s *story) publish() {
	r, n := s.rand(randPosts), s.plan.Authors
	if n == 0 {
		n = s.plan.People
	}
	s.people.Posts = make([]Post, s.plan.Posts)
	for i := range s.people.Posts {
		author := r.IntN(n)
		s.people.Posts[i].Author = author
		s.posted[author]++
	}
}

// text is what somebody writes: 40 to 200 characters, 120 in the middle, without names and tags.
func (s *story) text(key int64) string {
	noise := s.noise('w', key)
	want := 40 + int(binary.BigEndian.Uint16(noise[30:]))%160
	var b strings.Builder
	for i := 0; b.Len() < want; i++ {
		b.WriteString(words[int(noise[i%30]^byte(i))%len(words)])
		b.WriteByte(' ')
	}
	b.WriteString(strconv.FormatInt(key, 10)) // so that no two texts are the same
	return b.String()
}

// words are what texts are made of.
var words = [...]string{"bells", "over", "the", "harbour", "at", "noon", "rain", "again", "and", "a", "new", "bakery",
	"opens", "by", "the", "old", "bridge", "who", "comes", "along", "tonight", "bring", "your", "drum", "we", "found",
	"it", "under", "the", "stairs", "slowly", "but"}
