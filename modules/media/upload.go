package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/media/picture"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Draft is what a person says about a picture.
type Draft struct {
	Alt   string // in NFC
	Focus social.Focus
}

// MaxAlt bounds the text for those who do not see a picture, in code points.
const MaxAlt = 1500

const focusForm = "Two numbers from -1 to 1."

func checkAlt(in, alt string) (bad []social.Field) {
	if utf8.RuneCountInString(alt) > MaxAlt {
		bad = append(bad, social.Field{In: in, Pointer: "/alt", Code: social.FieldTooLong,
			Detail: fmt.Sprintf("At most %d characters.", MaxAlt)})
	}
	return bad
}

func inPicture(f social.Focus) bool { return f.X >= -1 && f.X <= 1 && f.Y >= -1 && f.Y <= 1 }

// rejected is the fault of a file that is no picture for this site.
func rejected(why string) *social.Fault { return social.NewFault(social.CodeMediaRejected, why) }

// Upload keeps a picture. The answer is ready, or, when that takes longer than two seconds, processing, and becomes
// ready or failed later. It takes the file over. Faults: unsupported_media_type, media_rejected (damaged, too many
// pixels), rate_limited and storage_full by the quota, unavailable at the end of the program.
func (s *Service) Upload(ctx context.Context, actor social.Actor, d Draft, u *social.Upload,
	once *storage.Once) (social.Media, error) {
	if kept, done, err := s.before(ctx, once); err != nil || done {
		return kept, err
	}
	h, err := s.look(u.File)
	if err != nil {
		return social.Media{}, err
	}
	if err := s.Ports.Quota.SpendFile(ctx, u.Size); err != nil {
		return social.Media{}, err
	}
	p := row{id: social.NewID(), owner: actor.UserID, token: newToken(), mime: h.Type, width: h.Width, height: h.Height,
		alt: d.Alt, focus: d.Focus, createdAt: s.clock.Now()}
	if err := s.db.InTx(ctx, func(tx storage.Tx) error { return begin(ctx, tx, p) }); err != nil {
		return social.Media{}, social.Wrap(err, "media: begin %s", p.id)
	}
	made := make(chan outcome, 1)
	u.File.Keep()
	if !s.work(func() { made <- s.process(p, h, u.File) }) {
		return social.Media{}, errors.Join(storage.ErrClosed, u.File.Close(), s.fail(ctx, p.id))
	}
	late := time.NewTimer(s.patience)
	defer late.Stop()
	select {
	case o := <-made:
		return s.finish(ctx, p, o, once)
	case <-late.C:
		return s.later(ctx, p, made, once)
	}
}

// before answers a repeated request, before its picture costs anything.
func (s *Service) before(ctx context.Context, once *storage.Once) (kept social.Media, done bool, err error) {
	if once == nil {
		return kept, false, nil
	}
	err = s.db.Read(ctx, func(q storage.Querier) error {
		done, err = repeated(ctx, q, once, &kept)
		return err
	})
	return kept, done, social.Wrap(err, "media: upload")
}

// repeated is once.Begin. A picture that was in work when that was answered, and has failed since, may be sent again.
func repeated(ctx context.Context, q storage.Querier, once *storage.Once, answer *social.Media) (done bool, err error) {
	*answer = social.Media{}
	if done, err = once.Begin(ctx, q, answer); err != nil || !done || answer.State != social.MediaProcessing {
		return done, err
	}
	p, err := byID(ctx, q, answer.ID)
	if there, err := storage.Found(err); err != nil || !there || p.state != failed {
		return true, err
	}
	once.Again()
	return false, nil
}

// begin inserts a picture, unless its owner has left since the host asked who it is.
func begin(ctx context.Context, tx storage.Tx, p row) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM media_leavers WHERE user_id = $1`, p.owner).Scan(&one)
	if left, err := storage.Found(err); err != nil {
		return err
	} else if left {
		return accountEnded()
	}
	return insertRow(ctx, tx, p)
}

// look refuses by the header what must not be decoded.
func (s *Service) look(file io.ReadSeeker) (picture.Header, error) {
	h, err := picture.Look(file)
	switch {
	case errors.Is(err, picture.ErrUnknown):
		s.figures.rejected.WithLabelValues("type").Inc()
		return h, social.NewFault(social.CodeUnsupportedMediaType, "Send a JPEG, PNG, GIF or WebP.")
	case errors.Is(err, picture.ErrDamaged), errors.Is(err, picture.ErrSlow):
		return h, s.refuse(err)
	case err != nil:
		return h, social.Wrap(err, "media: read an upload")
	case h.Pixels() > int64(s.cfg.MaxPixels):
		s.figures.rejected.WithLabelValues("pixels").Inc()
		return h, rejected(fmt.Sprintf("At most %d pixels.", s.cfg.MaxPixels))
	case h.Memory > int64(s.cfg.DecodeMemory):
		s.figures.rejected.WithLabelValues("memory").Inc()
		return h, rejected("The picture needs too much memory to be read. Send it smaller, or saved without layers of " +
			"quality (not progressive).")
	}
	return h, nil
}

// decodeTime bounds the reading of one picture: the largest takes a few seconds, or ten times that on a busy machine.
const decodeTime = 30 * time.Second

// outcome is what became of a file.
type outcome struct {
	made picture.Made
	err  error
}

// process decodes a file and writes what is made of it into the store. It waits for its turn and for memory, as long as
// that takes; how many wait is bounded by Config.Uploads.
func (s *Service) process(p row, h picture.Header, file io.ReadCloser) (o outcome) {
	defer file.Close()
	s.figures.waiting.Inc()
	err := s.take(h.Memory)
	s.figures.waiting.Dec()
	if err != nil {
		return outcome{err: fmt.Errorf("%w: %w", storage.ErrClosed, err)}
	}
	began := s.clock()
	o.made, o.err = picture.Make(file.(io.ReadSeeker), h, func() error {
		if s.clock().Sub(began) > decodeTime {
			return picture.ErrSlow
		}
		return s.base.Err()
	})
	s.turns.Release(1)
	s.memory.Release(h.Memory)
	s.figures.seconds.Observe(s.clock().Sub(began).Seconds())
	if s.base.Err() != nil {
		return outcome{err: storage.ErrClosed}
	}
	if o.err != nil {
		return o
	}
	store, err := s.store()
	if err != nil {
		return outcome{err: err}
	}
	for name, content := range map[string][]byte{fullName: o.made.Full, smallName: o.made.Small} {
		if err := store.Put(s.base, stored(p.token, name+o.made.Ext), content); err != nil {
			return outcome{err: fmt.Errorf("media: store %s: %w", p.id, s.away(full(err)))}
		}
	}
	return o
}

// full names a disk without room as the stores do.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	}
	return err
}

func (s *Service) take(memory int64) error {
	if err := s.memory.Acquire(s.base, memory); err != nil {
		return err
	}
	if err := s.turns.Acquire(s.base, 1); err != nil {
		s.memory.Release(memory)
		return err
	}
	return nil
}

// finish makes the picture ready and the answer with it, in one transaction.
func (s *Service) finish(ctx context.Context, p row, o outcome, once *storage.Once) (answer social.Media, err error) {
	if o.err != nil {
		return answer, errors.Join(s.refuse(o.err), s.drop(ctx, p.id))
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		if done, err := repeated(ctx, tx, once, &answer); err != nil {
			return err
		} else if done {
			return errors.Join(failRow(ctx, tx, p.id), markGone(ctx, tx, p.id, s.clock.Now()))
		}
		kept, err := finishRow(ctx, tx, p.id, o.made)
		if err != nil {
			return err
		}
		if kept.state != ready {
			return accountEnded()
		}
		answer = s.site.ShownMedia(kept.media())
		return once.Save(ctx, tx, answer)
	})
	if err != nil {
		return answer, errors.Join(social.Wrap(err, "media: finish %s", p.id), s.drop(ctx, p.id))
	}
	if !once.Replayed() {
		s.figures.made.Add(float64(len(o.made.Full) + len(o.made.Small)))
	}
	return answer, nil
}

func accountEnded() error {
	return social.NewFault(social.CodeInvalidToken, "This account has ended.")
}

// refuse names what an outcome is to a caller.
func (s *Service) refuse(err error) error {
	if errors.Is(err, picture.ErrDamaged) {
		s.figures.rejected.WithLabelValues("damaged").Inc()
		return rejected("The picture is damaged.")
	}
	if errors.Is(err, picture.ErrSlow) {
		s.figures.rejected.WithLabelValues("time").Inc()
		return rejected("The picture takes too long to be read. Save it anew, with fewer scans.")
	}
	return err
}

// later answers that the picture is in work; what becomes of it is written when it is known.
func (s *Service) later(ctx context.Context, p row, made <-chan outcome, once *storage.Once) (answer social.Media,
	err error) {
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		if done, err := repeated(ctx, tx, once, &answer); err != nil || done {
			return err
		}
		answer = s.site.ShownMedia(p.media())
		return once.Save(ctx, tx, answer)
	})
	unwanted := err != nil || once.Replayed()
	s.work(func() { s.settle(p, <-made, unwanted) }) // else the next start finds it in work
	return answer, social.Wrap(err, "media: upload %s", p.id)
}

// settle writes what became of a picture that was answered with processing.
func (s *Service) settle(p row, o outcome, unwanted bool) {
	ctx := context.WithoutCancel(s.base)
	var err error
	switch {
	case unwanted:
		err = s.drop(ctx, p.id)
	case o.err != nil:
		err = errors.Join(s.refuse(o.err), s.fail(ctx, p.id))
	default:
		err = s.db.InTx(ctx, func(tx storage.Tx) error { _, err := finishRow(ctx, tx, p.id, o.made); return err })
		s.figures.made.Add(float64(len(o.made.Full) + len(o.made.Small)))
	}
	noted := social.IsFault(err, social.CodeMediaRejected) || social.IsFault(err, social.CodeUnavailable)
	if err != nil && !noted && !errors.Is(err, storage.ErrClosed) {
		s.log.Error("a picture could not be kept", zap.Stringer("media", p.id), zap.Error(err))
	}
}

func (s *Service) fail(ctx context.Context, id social.ID) error {
	return s.db.InTx(ctx, func(tx storage.Tx) error { return failRow(ctx, tx, id) })
}

// drop leaves a picture to the job that removes its files and its row.
func (s *Service) drop(ctx context.Context, id social.ID) error {
	ctx = context.WithoutCancel(ctx)
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		return errors.Join(failRow(ctx, tx, id), markGone(ctx, tx, id, s.clock.Now()))
	})
	return social.Wrap(err, "media: drop %s", id)
}

// Types are the media types of the files that can be sent.
func Types() []string { return picture.Types() }
