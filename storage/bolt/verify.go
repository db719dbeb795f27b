package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
)

// verify reads the whole file without bbolt's help and tells what is wrong with it: pages out of bounds or used
// twice, keys out of order, records and state whose checksum fails, and positions that stand in the journal and not
// in their stream, or the other way round. nil, nil = sound, or not there. It fills the table of newest positions.
//
// bbolt's own walks run on goroutines that cannot be recovered, and its checksums cover the meta pages only.
func verify(cfg Config, table *newest) (damage, err error) {
	info, err := os.Stat(cfg.Path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() == 0) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	// A read-only opening holds the lock, so that nobody writes meanwhile, and looks at the meta pages only.
	db, err := bbolt.Open(cfg.Path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: cfg.Timeout})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, storage.ErrLocked
	}
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return nil, err
	} else if err != nil {
		return err, nil
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := os.Open(cfg.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	v := &verifier{pages: pages{file: f, fileSize: info.Size(), size: int64(db.Info().PageSize)}, table: table}
	damage = v.run()
	if errors.Is(damage, storage.ErrAhead) {
		return nil, damage
	}
	return damage, nil
}

// verifier judges the content of one file.
type verifier struct {
	pages
	table *newest
	state state

	journal, streams uint64 // sums over (stream, position, flags), as either side tells them
	people           uint32
}

func (v *verifier) run() error {
	root, free, err := v.meta()
	if err != nil {
		return err
	}
	parts := map[string][]byte{}
	err = v.walk(root, nil, nil, func(flags uint32, key, value []byte) error {
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
		return v.free(free)
	}
	for _, part := range []struct {
		name  []byte
		visit visitor
	}{{bucketMeta, v.visitMeta}, {bucketJournal, v.visitRecord}, {bucketStreams, v.visitStream}} {
		if err := v.bucket(parts[string(part.name)], part.visit); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	switch {
	case len(parts) != 3:
		return errors.New("there is a foreign bucket")
	case v.journal != v.streams:
		return errors.New("journal and streams do not agree")
	case v.people != v.state.erased:
		return errState
	}
	return v.free(free)
}

func (v *verifier) visitMeta(flags uint32, key, value []byte) (err error) {
	switch {
	case bytes.Equal(key, keyState) && flags == 0:
		v.state, err = decodeState(value)
		return err
	case bytes.Equal(key, bucketErased) && flags == isBucket:
		return v.bucket(value, func(flags uint32, key, value []byte) error {
			v.people++
			if _, _, err := decodeErasure(key, value); err != nil || flags != 0 {
				return errState
			}
			return nil
		})
	default:
		return errState
	}
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
	v.journal += fingerprint(hashOf(r.stream), p, r.flags)
	return nil
}

func (v *verifier) visitStream(flags uint32, key, value []byte) error {
	stream, err := modules.StreamOf(key)
	if err != nil || flags != isBucket {
		return errors.New("a name is no stream")
	}
	hash, last := hashOf(stream), modules.Position(0)
	err = v.bucket(value, func(flags uint32, key, value []byte) error {
		if len(key) != keyLen || len(value) != 1 || flags != 0 {
			return errRecord
		}
		// What stands below the floor was left by a trim that met a damaged record.
		if last = positionOf(key); last > v.state.floor {
			v.streams += fingerprint(hash, last, value[0])
		}
		return nil
	})
	v.table.add(hash, last)
	return err
}

// fingerprint mixes a place into a number, so that two sums over many of them tell whether they are the same places.
func fingerprint(stream uint64, p modules.Position, flags byte) uint64 {
	h := stream ^ uint64(p)*0x9E3779B97F4A7C15 ^ uint64(flags)<<56
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}
