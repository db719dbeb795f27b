package server

import (
	"net/netip"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// slots bound the uploads that are received and worked on at once: in all, of one person, and from one address, which
// has no more than half. When more than half are taken, a person's share is a quarter of what it was, so that some
// people with many uploads leave room for the others. Safe for concurrent use.
type slots struct {
	mu    sync.Mutex
	taken int
	bytes int64 // that are still to come, or have come
	by    map[social.ID]int
	from  map[string]int
}

// uploader is who wants a slot, and how long the form is said to be.
type uploader struct {
	person  social.ID
	address string
	bytes   int64
}

// take gives a slot, and how to give it back. room tells whether the disk has room for so many bytes.
func (l *slots) take(u uploader, form social.UploadForm, room func(bytes int64) error) (back func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	each := form.PerPerson
	if l.crowded(form) {
		each = max(1, each/4)
	}
	if l.taken >= form.AtOnce || l.by[u.person] >= each ||
		u.address != "" && l.from[u.address] >= max(form.PerPerson, form.AtOnce/2) {
		return nil, &social.Fault{Code: social.CodeOverloaded, RetryAfter: 5 * time.Second,
			Detail: "Too many uploads are under way. Try again shortly."}
	}
	if err := room(l.bytes + u.bytes); err != nil {
		return nil, err
	}
	if l.by == nil {
		l.by, l.from = map[social.ID]int{}, map[string]int{}
	}
	l.add(u, 1)
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.add(u, -1)
	}), nil
}

func (l *slots) add(u uploader, n int) {
	l.taken += n
	l.bytes += int64(n) * u.bytes
	if l.by[u.person] += n; l.by[u.person] == 0 {
		delete(l.by, u.person)
	}
	if l.from[u.address] += n; l.from[u.address] == 0 {
		delete(l.from, u.address)
	}
}

// sharedBy is the key under which an address is counted; "" for one of this machine or of a private network, behind
// which everybody may be.
func sharedBy(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && (ip.Unmap().IsPrivate() || ip.Unmap().IsLoopback()) {
		return ""
	}
	return social.AddressKey(address)
}

// crowded: more than half are taken. The caller holds mu.
func (l *slots) crowded(form social.UploadForm) bool { return 2*l.taken > form.AtOnce }

// pace is how many bytes a second an upload has to bring: where others wait, what ends the longest one in time.
func (l *slots) pace(form social.UploadForm) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.crowded(form) {
		return max(paceBytes, form.MaxBytes*int64(time.Second)/int64(uploadTime))
	}
	return paceBytes
}
