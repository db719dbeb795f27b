// Package files keeps the files of pictures: in a directory of this machine, or in a store that speaks the protocol of
// S3. Names are made by the media module: "<token>-full.jpg" and the like.
package files

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrAbsent is returned for a name that no file has, ErrAway where the store does not answer, for now.
var (
	ErrAbsent = errors.New("no such file")
	ErrAway   = errors.New("the store of files does not answer")
)

// Store keeps files under names, each written once and whole. All methods may be called from many goroutines, and give
// ErrAway.
type Store interface {
	// Put keeps content under a name that is not taken yet. After nil it is durable; after an error there is no such file,
	// or, if the process ended, a whole one.
	Put(ctx context.Context, name string, content []byte) error
	// Open gives a file and its size. ErrAbsent. Reading it may give ErrAway.
	Open(ctx context.Context, name string) (io.ReadCloser, int64, error)
	// Remove takes files away; names that are not there are passed over.
	Remove(ctx context.Context, names ...string) error
	// List calls each for every file, in no order, until it gives an error, which List returns.
	List(ctx context.Context, each func(Entry) error) error
}

// Entry is one file of a list.
type Entry struct {
	Name    string
	Size    int64
	Written time.Time
}
