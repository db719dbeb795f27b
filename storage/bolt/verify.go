package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// contents is what the walk at open has learned of a sound file.
type contents struct {
	empty  bool // no bucket yet: the file is new
	state  state
	erased erasures
	newest *newest
	table  *memtable
}

// verify walks everything in the file and tells what is wrong with it: keys out of order or not to be found, a record
// or state whose checksum fails, a number of records or people that is not the state's, postings in the journal and not in
// their stream or the other way round, a page in use that counts as free. It runs before any transaction that writes.
func (l *Log) verify(db *bbolt.DB) (found contents, err error) {
	defer l.catch(&err)()
	err = db.View(func(tx *bbolt.Tx) error {
		v := verifier{
			tx:       tx,
			data:     db.Info().Data,
			pageSize: uintptr(db.Info().PageSize),
			contents: contents{erased: erasures{}, newest: newNewest(l.cfg.Streams), table: newMemtable(0)},
		}
		err := v.run()
		found = v.contents
		return err
	})
	return found, err
}

type verifier struct {
	tx       *bbolt.Tx
	data     uintptr // where the file is mapped
	pageSize uintptr
	contents
	last             social.Position // of the record before
	records          uint64
	journal, streams uint64 // sums over the postings up to the flushed mark, as either side tells them
	postings         []posting
}

func (v *verifier) run() error {
	visits := map[string]func(key, value []byte) error{
		string(bucketErased): v.visitErased, string(bucketJournal): v.visitRecord,
		string(bucketInbox): v.visitRecord, string(bucketStreams): v.visitStream,
	}
	var names []string
	err := v.walk(v.tx.Cursor().Bucket(), func(name, _ []byte) error {
		names = append(names, string(name))
		return nil
	})
	if v.empty = len(names) == 0; err != nil || v.empty {
		return errors.Join(err, v.account())
	}
	if v.state, err = stateIn(v.tx); err != nil {
		return err
	}
	v.table.flushed = v.state.flushed
	// The records come before the streams, which are held against them; the journal before the inbox.
	for _, name := range [][]byte{bucketErased, bucketJournal, bucketInbox, bucketStreams} {
		if err := v.walk(v.tx.Bucket(name), visits[string(name)]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	switch s := v.state; {
	case len(names) != 1+len(visits):
		return errors.New("there is a foreign bucket")
	case v.records != s.count || len(v.erased) != int(s.gone):
		return fmt.Errorf("%d records and %d people who were erased, not %d and %d", v.records, len(v.erased), s.count, s.gone)
	case v.journal != v.streams:
		return errors.New("journal and streams do not agree")
	}
	return v.account()
}

// walk visits what is in a bucket. At each page it checks that the page is in use, and that a reader who seeks its
// first key, or the last of the page before, finds it: that is all the keys of branches are for.
func (v *verifier) walk(b *bbolt.Bucket, visit func(key, value []byte) error) error {
	var last []byte
	page, probe, c := 0, b.Cursor(), b.Cursor()
	known := func(key []byte) bool {
		k, _ := probe.Seek(key)
		return bytes.Equal(k, key)
	}
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if last != nil && bytes.Compare(last, key) >= 0 {
			return errors.New("keys are out of order")
		}
		if at := v.pageOf(key); b.Root() != 0 && at != page { // a small bucket stands inside the page of its parent
			if info, err := v.tx.Page(at); err != nil || info == nil || info.Type == "free" {
				return fmt.Errorf("page %d is not in use", at)
			}
			if !known(key) || last != nil && !known(last) {
				return fmt.Errorf("page %d is not where readers look", at)
			}
			page = at
		}
		if err := visit(key, value); err != nil {
			return err
		}
		last = key
	}
	if last != nil && !known(last) {
		return errors.New("the last key is not where readers look")
	}
	return nil
}

// pageOf is the page that a key of the mapped file stands in.
func (v *verifier) pageOf(key []byte) int {
	return int((reflect.ValueOf(key).Pointer() - v.data) / v.pageSize)
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
	v.newest.add(hash, p)
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
	return v.walk(v.tx.Bucket(bucketStreams).Bucket(name), func(key, value []byte) error {
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
}

// account checks that pages in use and free pages are all the pages there are.
func (v *verifier) account() error {
	s := v.tx.Cursor().Bucket().Stats()
	leaves, branches, overflow, free, lists := 0, 0, 0, 0, 0
	end := int(uintptr(v.tx.Size()) / v.pageSize)
	for id := 2; id < end; id++ {
		info, err := v.tx.Page(id)
		switch {
		case err != nil:
			return err
		case info.Type == "free":
			free++
			continue
		case info.Type == "leaf":
			leaves++
			overflow += info.OverflowCount
		case info.Type == "branch":
			branches++
			overflow += info.OverflowCount
		case info.Type == "freelist":
			lists++
		}
		id += info.OverflowCount
	}
	if leaves != s.LeafPageN || branches != s.BranchPageN || overflow != s.LeafOverflowN+s.BranchOverflowN ||
		free != v.tx.DB().Stats().FreePageN || lists != 1 {
		return errors.New("the list of free pages is damaged")
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
