package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// contents is what the walk at open has learned of a sound file.
type contents struct {
	empty  bool // no bucket yet: the file is new
	state  state
	epochs social.Epochs
	erased erasures
	newest *newest
	table  *memtable
}

// verify walks everything in the file, before any transaction writes: keys out of order or not to be found, a checksum
// that fails, a number of records or people that is not the state's, postings in the journal and not in their stream or
// the other way round, a page in use that counts as free.
func (l *Log) verify(db *bbolt.DB) (contents, error) {
	info := db.Info()
	v := verifier{
		db: db, data: info.Data, pageSize: uintptr(info.PageSize),
		contents: contents{erased: erasures{}, newest: newNewest(maxStreams), table: newMemtable(0)},
	}
	err := v.view(v.run)
	return v.contents, err
}

// verifier walks a file, or a part of it, on one goroutine.
type verifier struct {
	db       *bbolt.DB
	tx       *bbolt.Tx
	data     uintptr // where the file is mapped
	pageSize uintptr
	contents
	last             social.Position // of the record before
	records          uint64
	journal, streams uint64 // sums over the postings up to the flushed mark, as either side tells them
	postings         []posting
}

// view runs fn in a transaction of this verifier's own. What bbolt panics about is an error.
func (v *verifier) view(fn func() error) (err error) {
	defer catch(&err)()
	return v.db.View(func(tx *bbolt.Tx) error {
		v.tx = tx
		return fn()
	})
}

func (v *verifier) run() error {
	var names []string
	err := v.walk(v.tx.Cursor().Bucket(), nil, nil, func(name, _ []byte) error {
		names = append(names, string(name))
		return nil
	})
	if v.empty = len(names) == 0; err != nil || v.empty {
		return errors.Join(err, account(v.tx))
	}
	if v.state, err = stateIn(v.tx); err != nil {
		return err
	}
	if !slices.Equal(names, []string{"epochs", "erased", "inbox", "journal", "meta", "streams"}) {
		return fmt.Errorf("the buckets are %q", names)
	}
	v.table.flushed = v.state.flushed
	if err := v.walkJournal(); err != nil { // before the inbox, and both before the streams, which are held against them
		return fmt.Errorf("journal: %w", err)
	}
	for _, part := range []struct {
		name  []byte
		visit func(key, value []byte) error
	}{
		{bucketEpochs, v.visitEpochs}, {bucketErased, v.visitErased}, {bucketInbox, v.visitRecord},
		{bucketStreams, v.visitStream},
	} {
		if err := v.walk(v.tx.Bucket(part.name), nil, nil, part.visit); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	for stream, list := range v.table.active {
		v.newest.add(hashOf(stream), list[len(list)-1].position())
	}
	switch s := v.state; {
	case v.records != s.count || len(v.erased) != int(s.gone):
		return fmt.Errorf("%d records and %d erased people, not %d and %d", v.records, len(v.erased), s.count, s.gone)
	case v.journal != v.streams:
		return errors.New("journal and streams do not agree")
	}
	return account(v.tx)
}

// maxWalkers bounds the goroutines that walk the journal, by far the most of the file.
const maxWalkers = 4

// walkJournal visits the records of the journal, a stretch of positions on each goroutine.
func (v *verifier) walkJournal() error {
	parts := make([]verifier, min(runtime.GOMAXPROCS(0), maxWalkers))
	errs := make([]error, len(parts))
	span := (v.state.mark-v.state.floor)/social.Position(len(parts)) + 1
	from := v.state.floor + 1
	var walkers sync.WaitGroup
	for i := range parts {
		p, low, high := &parts[i], keyOf(from), keyOf(from+span)
		p.db, p.data, p.pageSize, p.state, p.last = v.db, v.data, v.pageSize, v.state, from-1
		p.table = newMemtable(v.state.flushed)
		from += span
		walkers.Go(func() {
			errs[i] = p.view(func() error { return p.walk(p.tx.Bucket(bucketJournal), low, high, p.visitRecord) })
		})
	}
	walkers.Wait()
	for i := range parts {
		if parts[i].records > 0 {
			v.last = parts[i].last
		}
		v.records, v.journal = v.records+parts[i].records, v.journal+parts[i].journal
		for s, list := range parts[i].table.active { // in the order of the journal
			v.table.active[s] = append(v.table.active[s], list...)
		}
		v.table.count += parts[i].table.count
	}
	return errors.Join(errs...)
}

// walk visits what is in a bucket, from low on and below high; nil = all. At each page it checks that the page is in
// use, and that its first key, and the last of the page before, are found from the root: that is what the keys of
// branches are for.
func (v *verifier) walk(b *bbolt.Bucket, low, high []byte, visit func(key, value []byte) error) error {
	var last []byte
	page, c := 0, b.Cursor()
	known := func(key []byte) bool { return key == nil || b.Get(key) != nil || b.Bucket(key) != nil }
	for key, value := c.Seek(low); key != nil && (high == nil || bytes.Compare(key, high) < 0); key, value = c.Next() {
		if last != nil && bytes.Compare(last, key) >= 0 {
			return errors.New("keys are out of order")
		}
		if at := v.pageOf(key); b.Root() != 0 && at != page { // a small bucket stands inside the page of its parent
			if info, err := v.tx.Page(at); err != nil || info == nil || info.Type == "free" {
				return fmt.Errorf("page %d is not in use", at)
			}
			if !known(key) || !known(last) {
				return fmt.Errorf("page %d is not where its keys are looked for", at)
			}
			page = at
		}
		if err := visit(key, value); err != nil {
			return err
		}
		last = key
	}
	if !known(last) {
		return errors.New("the last key is not where it is looked for")
	}
	return nil
}

// pageOf is the page that a key of the mapped file stands in.
func (v *verifier) pageOf(key []byte) int {
	return int((reflect.ValueOf(&key[0]).Pointer() - v.data) / v.pageSize)
}

func (v *verifier) visitEpochs(_, value []byte) (err error) {
	v.epochs, err = decodeEpochs(value)
	return err
}

func (v *verifier) visitErased(key, value []byte) error {
	person, at, err := decodeErasure(key, value)
	v.erased[person] = at
	return err
}

func (v *verifier) visitRecord(key, value []byte) error {
	r, err := decode(key, value)
	if err != nil {
		return err
	}
	p := positionOf(key)
	if p <= max(v.last, v.state.floor) || p > v.state.mark {
		return fmt.Errorf("position %d is out of bounds", p)
	}
	v.last = p
	v.records++
	hash, at := hashOf(r.stream), postingOf(p, r.flags)
	if p <= v.state.flushed {
		v.journal += fingerprint(hash, at)
		return nil
	}
	v.table.insert(indexed{stream: r.stream, at: at})
	return nil
}

func (v *verifier) visitStream(name, value []byte) error {
	stream, err := social.StreamOf(name)
	if err != nil || value != nil {
		return errors.New("a name is no stream")
	}
	hash, last, fresh := hashOf(stream), social.Position(0), v.table.active[stream]
	err = v.walk(v.tx.Bucket(bucketStreams).Bucket(name), nil, nil, func(key, value []byte) error {
		if v.postings, err = decodeBlock(v.postings[:0], key, value, 0); err != nil {
			return err
		}
		for _, p := range v.postings {
			if p.position() <= last {
				return errBlock
			}
			last = p.position()
			switch {
			case last <= v.state.floor: // trimmed, but for the block
			case last <= v.state.flushed:
				v.streams += fingerprint(hash, p)
			case len(fresh) == 0 || fresh[0] != p: // a flush writes in order, and the next goes on behind the last
				return errBlock
			default:
				fresh = fresh[1:]
			}
		}
		return nil
	})
	v.newest.add(hash, last)
	return err
}

// account checks that pages in use and free pages are all the pages there are.
func account(tx *bbolt.Tx) error {
	used, pages, end := tx.Cursor().Bucket().Stats(), tx.DB().Stats(), int(tx.Size())/tx.DB().Info().PageSize
	found, met := map[string]int{}, 2 // by type; the meta pages
	for id := 2; id < end; id++ {
		info, err := tx.Page(id)
		if err != nil {
			return err
		}
		found[info.Type]++
		met++
		if info.Type != "free" {
			id, met = id+info.OverflowCount, met+info.OverflowCount
		}
	}
	if met != end || found["leaf"] != used.LeafPageN || found["branch"] != used.BranchPageN ||
		found["free"] != pages.FreePageN+pages.PendingPageN || found["freelist"] != 1 {
		return errors.New("pages in use and free pages are not all there are")
	}
	return nil
}

// fingerprint mixes a posting into a number, so that two sums over many of them tell whether they are the same.
func fingerprint(stream uint64, p posting) uint64 {
	h := stream ^ uint64(p)*0x9E3779B97F4A7C15
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}
