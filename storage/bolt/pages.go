package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"
	"sync/atomic"
)

// The file format of bbolt, as far as it is needed to see that a file is sound: two meta pages, trees of pages whose
// header is id, flags, count and overflow, and the list of free pages. Numbers are in the machine's byte order.
const (
	pageHead   = 16
	element    = 16 // of a branch: pos, ksize, page; of a leaf: flags, pos, ksize, vsize
	metaLen    = 64
	metaMagic  = 0xED0CDAED
	typeBranch = 0x01
	typeLeaf   = 0x02
	typeFree   = 0x10
	isBucket   = 1
	bucketHead = 16 // root page (0 = the page follows inline), sequence
	maxDepth   = 48
	noFreeList = math.MaxUint64
)

// visitor is shown the elements of leaves in order. What it is shown is good during the call.
type visitor func(flags uint32, key, value []byte) error

// pages reads the pages of one file, for one goroutine.
type pages struct {
	*account
	file     io.ReaderAt
	fileSize int64
	size     int64            // of a page
	bufs     [maxDepth][]byte // one a level, since bounds of a page point into its parents
	level    int
	apart    *[]span // not nil: what hangs below the second level is noted here instead of walked
}

// account tells which pages of a file have been met. Goroutines share it.
type account struct {
	end   uint64   // pages from here on are not in use
	seen  []uint64 // one bit a page
	count atomic.Uint64
}

// span is a part of a tree: a page, and the bounds of the keys below it.
type span struct {
	page      uint64
	low, high []byte
}

// meta is what a meta page tells: of which commit it is, and where the tree and the list of free pages begin.
type meta struct {
	id         int64 // of its page, 0 or 1: commits take turns
	tx         uint64
	root, free uint64
	end        uint64
}

// other is the meta page of the commit before, or behind.
func (m meta) other() int64 { return 1 - m.id }

// metasOf reads the meta pages that are whole, the newer one first, as bbolt does.
func metasOf(file io.ReaderAt, pageSize int64) (list []meta, err error) {
	for id := range int64(2) {
		b := make([]byte, metaLen)
		if _, err := file.ReadAt(b, id*pageSize+pageHead); err != nil {
			return nil, err
		}
		sum := fnv.New64a()
		_, _ = sum.Write(b[:metaLen-8])
		if binary.NativeEndian.Uint32(b) != metaMagic || binary.NativeEndian.Uint64(b[56:]) != sum.Sum64() {
			continue
		}
		u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
		list = append(list, meta{id: id, root: u64(16), free: u64(32), end: u64(40), tx: u64(48)})
	}
	if len(list) == 0 {
		return nil, errors.New("no meta page is whole")
	}
	slices.SortFunc(list, func(a, b meta) int { return cmp.Compare(b.tx, a.tx) })
	return list, nil
}

// begin takes account of the meta pages.
func (f *pages) begin(m meta) error {
	if m.end < 3 || m.end > uint64(f.fileSize/f.size) {
		return fmt.Errorf("%d pages in a file of %d bytes", m.end, f.fileSize)
	}
	f.account = &account{end: m.end, seen: make([]uint64, m.end/64+1)}
	f.seen[0] = 3
	f.count.Store(2)
	return nil
}

// walk visits the leaves of the tree below a page, whose keys lie in [low, high).
func (f *pages) walk(id uint64, low, high []byte, visit visitor) error {
	p, err := f.load(id)
	if err != nil {
		return err
	}
	f.level++
	defer func() { f.level-- }()
	if err := f.elements(p, low, high, visit); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// load reads a page, checks what its header says of itself, and takes account of it.
func (f *pages) load(id uint64) ([]byte, error) {
	if f.level >= maxDepth || id < 2 || id >= f.end {
		return nil, fmt.Errorf("page %d is out of bounds", id)
	}
	buf := f.bufs[f.level]
	if buf == nil {
		buf = make([]byte, f.size)
	}
	buf = buf[:f.size]
	if _, err := f.file.ReadAt(buf, int64(id)*f.size); err != nil {
		return nil, err
	}
	over := uint64(binary.NativeEndian.Uint32(buf[12:]))
	if binary.NativeEndian.Uint64(buf) != id || over >= f.end-id {
		return nil, fmt.Errorf("page %d is another", id)
	}
	if over > 0 {
		if need := int64(over+1) * f.size; int64(cap(buf)) < need {
			buf = make([]byte, need)
		} else {
			buf = buf[:need]
		}
		if _, err := f.file.ReadAt(buf, int64(id)*f.size); err != nil {
			return nil, err
		}
	}
	f.bufs[f.level] = buf
	for i := id; i <= id+over; i++ {
		if err := f.mark(i); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (a *account) mark(id uint64) error {
	bit := uint64(1) << (id % 64)
	if atomic.OrUint64(&a.seen[id/64], bit)&bit != 0 {
		return fmt.Errorf("page %d is used twice", id)
	}
	a.count.Add(1)
	return nil
}

// elements goes through one page: a leaf's are visited, a branch's are walked.
func (f *pages) elements(p, low, high []byte, visit visitor) error {
	kind, count := binary.NativeEndian.Uint16(p[8:]), int(binary.NativeEndian.Uint16(p[10:]))
	if (kind != typeLeaf && kind != typeBranch) || pageHead+count*element > len(p) || (kind == typeBranch && count == 0) {
		return fmt.Errorf("type %#x with %d elements", kind, count)
	}
	leaf := kind == typeLeaf
	key, value, err := part(p, 0, count, leaf)
	for i := range count {
		if err != nil || bytes.Compare(key, low) < 0 || (high != nil && bytes.Compare(key, high) >= 0) {
			return fmt.Errorf("element %d is out of bounds", i)
		}
		next, end := []byte(nil), high
		var nextValue []byte
		if i+1 < count {
			next, nextValue, err = part(p, i+1, count, leaf)
			if err == nil && bytes.Compare(next, key) <= 0 {
				return fmt.Errorf("element %d is out of order", i+1)
			}
			end = next
		}
		at := pageHead + i*element
		if leaf {
			if err := visit(binary.NativeEndian.Uint32(p[at:]), key, value); err != nil {
				return err
			}
		} else if err := f.below(span{binary.NativeEndian.Uint64(p[at+8:]), key, end}, visit); err != nil {
			return err
		}
		key, value = next, nextValue
	}
	return nil
}

// below goes on at a child of a branch.
func (f *pages) below(s span, visit visitor) error {
	if f.apart == nil || f.level < 2 {
		return f.walk(s.page, s.low, s.high, visit)
	}
	*f.apart = append(*f.apart, span{s.page, bytes.Clone(s.low), bytes.Clone(s.high)})
	return nil
}

// part finds key and value of one element inside its page.
func part(p []byte, i, count int, leaf bool) (key, value []byte, err error) {
	if i >= count {
		return nil, nil, nil
	}
	at := pageHead + i*element
	e := p[at : at+element]
	if leaf {
		e = e[4:]
	}
	from := int64(at) + int64(binary.NativeEndian.Uint32(e))
	mid := from + int64(binary.NativeEndian.Uint32(e[4:]))
	end := mid
	if leaf {
		end += int64(binary.NativeEndian.Uint32(e[8:]))
	}
	if from < int64(pageHead+count*element) || mid == from || end > int64(len(p)) {
		return nil, nil, errors.New("out of bounds")
	}
	return p[from:mid], p[mid:end], nil
}

// bucket visits what a nested bucket holds; value is the parent's.
func (f *pages) bucket(value []byte, visit visitor) error {
	if len(value) < bucketHead {
		return errors.New("not a bucket")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return f.walk(root, nil, nil, visit)
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || binary.NativeEndian.Uint16(inline[8:]) != typeLeaf {
		return errors.New("not an inline bucket")
	}
	return f.elements(inline, nil, nil, visit)
}

// free checks the list of free pages: with those in use they have to be all there are, each once.
func (f *pages) free(id uint64) error {
	if id == noFreeList {
		return nil
	}
	p, err := f.load(id)
	if err != nil {
		return err
	}
	count, ids := uint64(binary.NativeEndian.Uint16(p[10:])), p[pageHead:]
	if count == math.MaxUint16 && len(ids) >= 8 {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if binary.NativeEndian.Uint16(p[8:]) != typeFree || count > uint64(len(ids)/8) {
		return errors.New("the list of free pages is damaged")
	}
	for i := range count {
		free := binary.NativeEndian.Uint64(ids[8*i:])
		if free < 2 || free >= f.end {
			return fmt.Errorf("free page %d is out of bounds", free)
		}
		if err := f.mark(free); err != nil {
			return err
		}
	}
	if n := f.count.Load(); n != f.end {
		return fmt.Errorf("%d of %d pages are lost", f.end-n, f.end)
	}
	return nil
}
