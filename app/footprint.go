package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// footprint returns free memory to the system after a burst. The runtime keeps twice the live heap and releases free
// pages slowly; after ten thousand connects that is more than the streams take. Used by the goroutine of its job.
type footprint struct {
	allocated func() uint64 // bytes since the start of the program, whatever became of them
	handBack  func()
	seen      uint64 // allocated at the last look
	handed    uint64 // allocated when memory was handed back last
}

const (
	footprintEvery = 5 * time.Second
	quietBytes     = 4 << 20  // allocated between two looks: less is quiet
	burstBytes     = 16 << 20 // allocated since memory was handed back: less is not worth the work
)

func newFootprint() *footprint {
	return &footprint{allocated: allocatedBytes, handBack: debug.FreeOSMemory}
}

// Job looks every five seconds. One collection of a heap of 20 MB takes some 10 ms of one processor, and follows a
// burst once.
func (f *footprint) Job() social.Job {
	return social.Job{Name: "memory: hand back", Every: footprintEvery, Run: func(context.Context) (bool, error) {
		f.look()
		return false, nil
	}}
}

func (f *footprint) look() {
	now := f.allocated()
	quiet := now-f.seen < quietBytes
	f.seen = now
	if quiet && now-f.handed >= burstBytes {
		f.handBack()
		f.handed = now
	}
}

func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
