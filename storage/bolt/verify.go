package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// contents is what verify has learned on its way through a sound file.
type contents struct {
	meta   meta
	state  state // layout 0 = there is nothing yet
	newest *newest
	recent *recent
	back   error // why the newest commit was undone; nil = it was not
}

// verify reads the whole file without bbolt's help and tells what is wrong with it: pages out of bounds or used
// twice, keys out of order, records and state whose checksum fails, a sum that differs from the state's, and positions
// that stand in the journal and not in their stream, or the other way round. nil, nil = sound, or not there. Of a file
// whose newest commit is not whole it takes the one before, for good.
//
// bbolt's own walks run on goroutines that cannot be recovered, and its checksums cover the meta pages only.
func verify(cfg Config) (found contents, damage, err error) {
	info, err := os.Stat(cfg.Path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() == 0) {
		return contents{newest: newNewest(cfg.Streams), recent: newRecent(0)}, nil, nil
	} else if err != nil {
		return found, nil, err
	}
	// A read-only opening holds the lock, so that nobody writes meanwhile, and looks at the meta pages only.
	db, err := bbolt.Open(cfg.Path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: cfg.Timeout})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return found, nil, storage.ErrLocked
	}
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return found, nil, err
	} else if err != nil {
		return found, err, nil
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := os.OpenFile(cfg.Path, os.O_RDWR, 0)
	if err != nil {
		return found, nil, err
	}
	defer func() { _ = f.Close() }()
	found, damage = judge(f, info.Size(), int64(db.Info().PageSize), cfg.Streams)
	if errors.Is(damage, storage.ErrAhead) {
		return found, nil, damage
	}
	if damage == nil && found.back != nil {
		err = spoil(f, int64(db.Info().PageSize), found.meta)
	}
	return found, damage, err
}

// judge looks at the newest commit of a file, and if that is damaged at the one before. The damage it tells is the
// newest one's.
func judge(f *os.File, fileSize, pageSize int64, streams int) (found contents, damage error) {
	metas, err := metasOf(f, pageSize)
	if err != nil {
		return found, err
	}
	for _, m := range metas {
		v := verifier{
			pages:    pages{file: f, fileSize: fileSize, size: pageSize},
			contents: contents{meta: m, newest: newNewest(streams), recent: newRecent(0), back: damage},
		}
		err := v.run()
		if err == nil {
			return v.contents, nil
		}
		if damage == nil {
			damage = err
		}
		if errors.Is(err, storage.ErrAhead) {
			break
		}
	}
	return found, damage
}

// spoil makes the meta page of the newest commit worthless, so that bbolt takes the other one.
func spoil(f *os.File, pageSize int64, found meta) error {
	if _, err := f.WriteAt(make([]byte, metaLen), found.other()*pageSize+pageHead); err != nil {
		return err
	}
	return f.Sync()
}

// verifier judges one commit of a file.
type verifier struct {
	pages
	contents
	journal, streams uint64 // sums over the places up to the indexed mark, as either side tells them
	sum              uint64 // as in the state
	people           uint32
	places           []place
}

func (v *verifier) run() error {
	m := v.meta
	if err := v.begin(m); err != nil {
		return err
	}
	parts := map[string][]byte{}
	err := v.walk(m.root, nil, nil, func(flags uint32, key, value []byte) error {
		parts[string(key)] = bytes.Clone(value)
		if flags != isBucket {
			return fmt.Errorf("%q is no bucket", key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(parts) == 0 { // a crash between the making of the file and of the buckets
		return v.free(m.free)
	}
	visited := 0
	for _, part := range []struct {
		name []byte
		walk func(value []byte) error
	}{
		{bucketMeta, func(b []byte) error { return v.bucket(b, v.visitMeta) }},
		{bucketErased, func(b []byte) error { return v.bucket(b, v.visitErased) }},
		{bucketJournal, v.walkJournal},
		{bucketStreams, func(b []byte) error { return v.bucket(b, v.visitStream) }},
	} {
		if v.state.layout == layoutOne && bytes.Equal(part.name, bucketErased) {
			continue // it stands inside meta
		}
		if err := part.walk(parts[string(part.name)]); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		visited++
	}
	switch {
	case len(parts) != visited:
		return errors.New("there is a foreign bucket")
	case v.journal != v.streams:
		return errors.New("journal and streams do not agree")
	case v.state.layout == layoutOne && v.people != v.state.people:
		return errState
	case v.state.layout == layout && (v.state.tx != m.tx || v.state.sum != v.sum):
		return errors.New("pages are of different commits")
	}
	v.state.sum = v.sum
	return v.free(m.free)
}

func (v *verifier) visitMeta(flags uint32, key, value []byte) (err error) {
	switch {
	case bytes.Equal(key, keyState) && flags == 0:
		v.state, err = decodeState(value)
		v.recent.base = v.state.indexed
		return err
	case bytes.Equal(key, bucketErased) && flags == isBucket: // layout 1
		return v.bucket(value, v.visitErased)
	default:
		return errState
	}
}

func (v *verifier) visitErased(flags uint32, key, value []byte) error {
	if _, _, err := decodeErasure(key, value); err != nil || flags != 0 {
		return errState
	}
	v.people++
	v.sum += printOf(key, value)
	return nil
}

// maxWalkers bounds the goroutines that read the journal, by far the most of the file.
const maxWalkers = 4

// walkJournal visits the records, on as many goroutines as there are processors: each takes a stretch of the journal.
func (v *verifier) walkJournal(value []byte) error {
	var spans []span
	v.apart = &spans
	err := v.bucket(value, v.visitRecord)
	v.apart = nil
	n := min(runtime.GOMAXPROCS(0), maxWalkers, len(spans))
	parts, errs := make([]verifier, n), make([]error, n)
	var walkers sync.WaitGroup
	for i := range parts {
		p := &parts[i]
		p.account, p.file, p.size, p.state, p.recent = v.account, v.file, v.size, v.state, newRecent(v.recent.base)
		walkers.Go(func() {
			for _, s := range spans[len(spans)*i/n : len(spans)*(i+1)/n] {
				if errs[i] = p.walk(s.page, s.low, s.high, p.visitRecord); errs[i] != nil {
					return
				}
			}
		})
	}
	walkers.Wait()
	for i := range parts {
		v.journal, v.sum = v.journal+parts[i].journal, v.sum+parts[i].sum
		for s, places := range parts[i].recent.fresh { // in the order of the journal
			v.recent.fresh[s] = append(v.recent.fresh[s], places...)
			v.recent.count += len(places)
		}
	}
	for s, places := range v.recent.fresh {
		v.newest.add(hashOf(s), places[len(places)-1].position())
	}
	return errors.Join(append(errs, err)...)
}

func (v *verifier) visitRecord(flags uint32, key, value []byte) error {
	r, err := decode(key, value)
	if err != nil || flags != 0 {
		return errRecord
	}
	p := positionOf(key)
	if p <= v.state.floor || p > v.state.mark {
		return fmt.Errorf("position %d is neither above the floor nor below the mark", p)
	}
	v.sum += printOf(key, value)
	hash, at := hashOf(r.stream), placeOf(p, r.flags)
	if p <= v.state.indexed {
		v.journal += fingerprint(hash, at)
		return nil
	}
	v.recent.fresh[r.stream] = append(v.recent.fresh[r.stream], at)
	v.recent.count++
	return nil
}

func (v *verifier) visitStream(flags uint32, key, value []byte) error {
	stream, err := social.StreamOf(key)
	if err != nil || flags != isBucket {
		return errors.New("a name is no stream")
	}
	hash, last, ahead := hashOf(stream), social.Position(0), v.recent.fresh[stream]
	err = v.bucket(value, func(flags uint32, key, value []byte) error {
		list, err := decodeBlock(v.places[:0], key, value, 0)
		if err != nil || flags != 0 {
			return errBlock
		}
		v.places = list
		for _, p := range list {
			if p.position() <= last {
				return errBlock
			}
			last = p.position()
			switch {
			case last <= v.state.floor: // trimmed, but for the block
			case last <= v.state.indexed:
				v.streams += fingerprint(hash, p)
			case len(ahead) == 0 || ahead[0] != p: // a round that was cut off moves them in order, and the next goes on behind the last
				return errBlock
			default:
				ahead = ahead[1:]
			}
		}
		return nil
	})
	v.newest.add(hash, last)
	return err
}
