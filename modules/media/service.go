package media

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/media/files"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Service keeps pictures. All methods may be called from many goroutines.
type Service struct {
	Ports Ports // set before start

	cfg     Config
	site    social.Site
	db      storage.DB
	bus     *event.Bus
	clock   social.Clock
	log     *zap.Logger
	store   func() (files.Store, error) // opens it once
	figures *figures

	memory   *semaphore.Weighted // bytes of decoded pictures
	turns    *semaphore.Weighted // decoders at work
	patience time.Duration       // how long an answer waits for a picture to be ready

	removing sync.Mutex      // held while files are removed, and by Hold
	begun    atomic.Bool     // giveUp has seen what was there at the start
	base     context.Context // ends with the service
	end      context.CancelFunc
	mu       sync.Mutex
	ended    bool
	working  sync.WaitGroup
}

// patience is what the contract says.
const patience = 2 * time.Second

// New makes the service with absent answers in Ports. It does nothing else.
func New(cfg Config, site social.Site, db storage.DB, bus *event.Bus, clock social.Clock, log *zap.Logger) *Service {
	decodes := cfg.Decodes
	if decodes == 0 {
		decodes = max(1, runtime.NumCPU()/2)
	}
	s := &Service{Ports: Ports{Quota: unbounded{}}, cfg: cfg, site: site, db: db, bus: bus,
		clock: clock, log: log.Named("media"), memory: semaphore.NewWeighted(int64(cfg.DecodeMemory)),
		turns: semaphore.NewWeighted(int64(decodes)), patience: patience}
	s.base, s.end = context.WithCancel(context.Background())
	s.store = sync.OnceValues(cfg.open)
	s.figures = newFigures()
	return s
}

// Stop gives up what waits and what is decoded now, and waits until ctx ends for what is written. What is not ready
// then the next start calls failed.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.end()
	done := make(chan struct{})
	go func() { s.working.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.log.Info("pictures are left in work")
	}
	return nil
}

// work runs f on a goroutine that Stop waits for; false = the service has ended.
func (s *Service) work(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.working.Go(f)
	}
	return !s.ended
}

// newToken is 128 random bits, the permission to read a picture's files.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Names of the two files of a picture, as their addresses end.
const (
	fullName  = "full."
	smallName = "small."
)

// stored is the name of a file in the store.
func stored(token, name string) string { return token + "-" + name }

// Open gives a file to whoever knows its address. The fault not_found: there is none, or nobody is shown it any more.
func (s *Service) Open(ctx context.Context, token, name string) (social.MediaFile, error) {
	var p row
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		p, err = byToken(ctx, q, token)
		return err
	})
	if err != nil {
		return social.MediaFile{}, social.Wrap(storage.Absent(err), "media: look for a file")
	}
	if name != fullName+p.ext && name != smallName+p.ext {
		return social.MediaFile{}, social.NotFound()
	}
	store, err := s.store()
	if err != nil {
		return social.MediaFile{}, err
	}
	body, size, err := store.Open(ctx, stored(token, name))
	if errors.Is(err, files.ErrAbsent) {
		s.log.Error("a file is missing", zap.Stringer("media", p.id), zap.String("size", strings.TrimSuffix(name, "."+p.ext)))
		return social.MediaFile{}, social.NotFound()
	}
	if err != nil {
		return social.MediaFile{}, fmt.Errorf("media: open %s: %w", p.id, s.away(err))
	}
	return social.MediaFile{Body: body, Size: size, MIME: p.mime}, nil
}

// away names a store that does not answer as callers see it, and notes it.
func (s *Service) away(err error) error {
	if !errors.Is(err, files.ErrAway) {
		return err
	}
	s.log.Warn("the store of pictures does not answer", zap.Error(err))
	return &social.Fault{Code: social.CodeUnavailable, RetryAfter: 10 * time.Second,
		Detail: "Pictures cannot be reached. Try again soon."}
}

// Get gives a picture of the person who asks.
func (s *Service) Get(ctx context.Context, owner, id social.ID) (social.Media, error) {
	var p row
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		p, err = ownRow(ctx, q, owner, id)
		return err
	})
	return s.site.ShownMedia(p.media()), social.Wrap(storage.Absent(err), "media: get %s", id)
}

// Change is what a person wants otherwise about a picture; nil = as it was.
type Change struct {
	Alt   *string
	Focus *social.Focus
}

// Update changes what is said about a picture, also in the post that has it.
func (s *Service) Update(ctx context.Context, owner, id social.ID, c Change) (social.Media, error) {
	if c.Alt != nil {
		if bad := checkAlt("body", *c.Alt); len(bad) > 0 {
			return social.Media{}, social.Invalid(bad...)
		}
	}
	if c.Focus != nil && !inPicture(*c.Focus) {
		return social.Media{}, social.Invalid(social.BodyField("/focus", social.FieldBadFormat, focusForm))
	}
	var p row
	err := s.db.InTx(ctx, func(tx storage.Tx) (err error) {
		if p, err = ownRow(ctx, tx, owner, id); err != nil {
			return storage.Absent(err)
		}
		if c.Alt != nil {
			if err := room(ctx, tx, p, *c.Alt); err != nil {
				return err
			}
			p.alt = *c.Alt
		}
		if c.Focus != nil {
			p.focus = *c.Focus
		}
		if err := describe(ctx, tx, p); err != nil || p.post.IsZero() {
			return err
		}
		return s.bus.Emit(ctx, tx, event.MediaDescribed{Post: p.post, Media: p.media()})
	})
	return s.site.ShownMedia(p.media()), social.Wrap(err, "media: update %s", id)
}

// Delete takes away a picture that nothing uses. Faults: not_found, invalid_state (a post has it, or the profile).
func (s *Service) Delete(ctx context.Context, owner, id social.ID) error {
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		p, err := ownRow(ctx, tx, owner, id)
		if err != nil {
			return storage.Absent(err)
		}
		if p.used != usedNot {
			return social.NewFault(social.CodeInvalidState, "It is part of a post or of the profile.")
		}
		return markGone(ctx, tx, id, s.clock.Now())
	})
	return social.Wrap(err, "media: delete %s", id)
}
