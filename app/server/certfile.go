package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

// lookEvery is how often handshakes look at the files, at most.
const lookEvery = 5 * time.Second

// certFiles is a certificate in files that others renew. A handshake finds that they have changed; until both fit
// together the old certificate holds.
type certFiles struct {
	cert, key string
	clock     social.Clock
	log       *zap.Logger

	mu      sync.Mutex
	looked  time.Time
	now     *tls.Certificate // nil = open was not called
	read    [2]stamp         // of the files now is from
	refused [2]stamp         // of those that could not be used, so that it is said once
}

// stamp tells versions of a file apart; zero = there is none.
type stamp struct {
	changed time.Time
	size    int64
}

func (f *certFiles) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = f.clock()
	return f.load(f.stamps())
}

func (f *certFiles) run(context.Context) {}

func (f *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at := f.clock(); at.Sub(f.looked) >= lookEvery {
		f.looked = at
		f.look()
	}
	return f.now, nil
}

func (f *certFiles) expires() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == nil {
		return time.Time{}
	}
	return f.now.Leaf.NotAfter
}

// look takes what has changed.
func (f *certFiles) look() {
	found := f.stamps()
	if found == f.read {
		return
	}
	switch err := f.load(found); {
	case err == nil:
		f.log.Info("certificate renewed", zap.Time("expires", f.now.Leaf.NotAfter))
	case found != f.refused:
		f.refused = found
		f.log.Warn("the new certificate cannot be used, so the old one goes on", zap.Error(err))
	}
}

func (f *certFiles) load(found [2]stamp) error {
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("server.tls.cert, server.tls.key: %w", err)
	}
	f.now, f.read = &c, found
	return nil
}

// stamps are taken before the files are read, so that what changes meanwhile is found at the next look.
func (f *certFiles) stamps() (out [2]stamp) {
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			out[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return out
}
