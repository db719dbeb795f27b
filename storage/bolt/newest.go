package bolt

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// newest tells for each stream its newest position, so that a read skips streams where nothing happened without
// touching the file. It may say too much (a hash collision, a commit that failed), never too little.
type newest struct {
	mu    sync.RWMutex
	at    map[uint64]social.Position // by hash: half the memory of a map by stream
	since social.Position            // a stream that is absent has nothing above it
	limit int
}

// maxStreams bounds the table in production: above it the streams quiet for longest are left out.
const maxStreams = 1 << 20

func newNewest(limit int) *newest {
	return &newest{at: map[uint64]social.Position{}, limit: limit}
}

func (n *newest) note(list []indexed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range list {
		n.add(hashOf(list[i].stream), list[i].at.position())
	}
}

// add is note for one stream by its hash, without the lock.
func (n *newest) add(hash uint64, p social.Position) {
	n.at[hash] = max(n.at[hash], p)
	if len(n.at) > n.limit {
		n.shrink()
	}
}

// shrink drops the half that was quiet for longest.
func (n *newest) shrink() {
	all := slices.Sorted(maps.Values(n.at))
	n.since = max(n.since, all[len(all)/2])
	kept := make(map[uint64]social.Position, n.limit)
	for h, p := range n.at {
		if p > n.since {
			kept[h] = p
		}
	}
	n.at = kept
}

// loud gives the sources that may have something above both after and their own Since.
func (n *newest) loud(sources []social.Source, after social.Position) []social.Source {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var out []social.Source
	for _, s := range sources {
		p, known := n.at[hashOf(s.Stream)]
		if !known {
			p = n.since
		}
		if p > max(after, s.Since) {
			out = append(out, s)
		}
	}
	return out
}

// hashOf folds a stream. The ids are random, so two multiplications are enough.
func hashOf(s social.Stream) uint64 {
	h := binary.LittleEndian.Uint64(s.User[:8])*0x9E3779B97F4A7C15 ^ binary.LittleEndian.Uint64(s.User[8:])
	h = (h ^ uint64(s.Kind)) * 0xD6E8FEB86659FD93
	return h ^ h>>32
}
