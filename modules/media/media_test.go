package media_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// album is the module over a store and a directory of its own.
type album struct {
	*moduletest.Fixture
	*media.Service
	dir   string
	alice social.Actor
}

func open(t *testing.T) *album {
	t.Helper()
	a := &album{Fixture: moduletest.Open(t, media.Migrations), dir: filepath.Join(t.TempDir(), "media"),
		alice: social.Actor{UserID: social.NewID()}}
	a.start(t)
	return a
}

// start begins a service as a new process would.
func (a *album) start(t *testing.T) {
	t.Helper()
	cfg := media.DefaultConfig()
	cfg.Dir = a.dir
	a.Service = media.New(cfg, social.Site{PublicURL: "https://social.example"}, a.DB, a.Bus, a.Clock, a.Log)
	s := a.Service
	for _, job := range s.Jobs() {
		for more := job.AtStart; more; {
			var err error
			if more, err = job.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// file is the file of a form.
type file struct {
	io.ReadSeeker
	kept, closed bool
}

func (f *file) Close() error { f.closed = true; return nil }
func (f *file) Keep()        { f.kept = true }

func drawn(tb testing.TB, shade uint8) *social.Upload {
	tb.Helper()
	m := image.NewGray(image.Rect(0, 0, 30, 20))
	for i := range m.Pix {
		m.Pix[i] = shade
	}
	m.SetGray(3, 3, color.Gray{Y: 255 - shade})
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		tb.Fatal(err)
	}
	return uploadOf(out.Bytes())
}

func uploadOf(content []byte) *social.Upload {
	return &social.Upload{File: &file{ReadSeeker: bytes.NewReader(content)}, Size: int64(len(content)), Sum: content}
}

func (a *album) send(t *testing.T, who social.Actor) social.Media {
	t.Helper()
	m, err := a.Upload(t.Context(), who, media.Draft{Alt: "a shade"}, drawn(t, 7), nil)
	if err != nil || m.State != social.MediaReady {
		t.Fatalf("upload: %+v, %v", m, err)
	}
	return m
}

// kept are the names of the files in the directory.
func (a *album) kept(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(a.dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !e.IsDir() {
			names = append(names, e.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// work runs every job to its end.
func (a *album) work(t *testing.T) {
	t.Helper()
	for _, job := range a.Jobs() {
		for more := true; more; {
			var err error
			if more, err = job.Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", job.Name, err)
			}
		}
	}
}

// shown reports whether a file is given to whoever has its address.
func (a *album) shown(t *testing.T, m social.Media) bool {
	t.Helper()
	var token, name string
	if _, err := fmt.Sscanf(*m.URL, "https://social.example/media/%22s", &token); err != nil {
		t.Fatal(err)
	}
	name = filepath.Base(*m.URL)
	f, err := a.Open(t.Context(), token, name)
	if social.IsFault(err, social.CodeNotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Body.Close()
	return true
}

func (a *album) take(t *testing.T, who social.ID, post social.ID, ids ...social.ID) (list []social.Media, err error) {
	t.Helper()
	err = a.DB.InTx(t.Context(), func(tx storage.Tx) (err error) {
		list, err = a.Take(t.Context(), tx, who, ids, post)
		return err
	})
	return list, err
}

func (a *album) wear(t *testing.T, id social.ID) (file string, err error) {
	t.Helper()
	err = a.DB.InTx(t.Context(), func(tx storage.Tx) (err error) {
		file, err = a.Wear(t.Context(), tx, a.alice.UserID, id)
		return err
	})
	return file, err
}

func (a *album) emit(t *testing.T, f event.Fact) {
	t.Helper()
	var bus event.Bus
	bus.React(a.Reactions()...)
	a.InTx(t, func(tx storage.Tx) error { return bus.Emit(t.Context(), tx, f) })
}

func TestUploadAndRead(t *testing.T) {
	a := open(t)
	m := a.send(t, a.alice)
	if m.Width != 30 || m.Height != 20 || m.MIME != "image/jpeg" || m.Alt != "a shade" || m.Blurhash == nil ||
		m.PreviewURL == nil || m.Bytes == 0 {
		t.Errorf("%+v", m)
	}
	if got, err := a.Get(t.Context(), a.alice.UserID, m.ID); err != nil || got.ID != m.ID || *got.URL != *m.URL {
		t.Errorf("get: %+v, %v", got, err)
	}
	if _, err := a.Get(t.Context(), social.NewID(), m.ID); !social.IsFault(err, social.CodeNotFound) {
		t.Errorf("somebody else gets it: %v", err)
	}
	if len(a.kept(t)) != 2 || !a.shown(t, m) {
		t.Errorf("kept are %v", a.kept(t))
	}
	for _, name := range []string{"full.png", "small.gif", "", "../full.jpg", "full.jpg/"} {
		if _, err := a.Open(t.Context(), (*m.URL)[len("https://social.example/media/"):][:22], name); !social.IsFault(err,
			social.CodeNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestUploadRefused(t *testing.T) {
	a := open(t)
	whole, err := io.ReadAll(drawn(t, 7).File)
	if err != nil {
		t.Fatal(err)
	}
	large := append([]byte{}, whole...)
	copy(large[16:], "\x00\x00\xff\xff\x00\x00\xff\xff\x08\x00\x00\x00\x00\x35\xb6\x4c\x6e") // 65535 x 65535
	for name, tt := range map[string]struct {
		content []byte
		want    social.Code
	}{
		"no picture":    {[]byte("hello"), social.CodeUnsupportedMediaType},
		"half of one":   {whole[:60], social.CodeMediaRejected},
		"a damaged one": {append(whole[:45:45], make([]byte, 40)...), social.CodeMediaRejected},
		"too large":     {large, social.CodeMediaRejected},
	} {
		if _, err := a.Upload(t.Context(), a.alice, media.Draft{}, uploadOf(tt.content), nil); !social.IsFault(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	a.work(t)
	a.nothingIsLeft(t)
}

// nothingIsLeft: neither files nor rows.
func (a *album) nothingIsLeft(t *testing.T) {
	t.Helper()
	var rows int
	a.Read(t, func(q storage.Querier) error {
		return q.QueryRow(t.Context(), `SELECT COUNT(*) FROM media`).Scan(&rows)
	})
	if names := a.kept(t); rows != 0 || len(names) != 0 {
		t.Errorf("%d rows and the files %v are left", rows, names)
	}
}

// TestSameKeySamePicture: many requests under one key make one picture, and the files of the others go.
func TestSameKeySamePicture(t *testing.T) {
	a := open(t)
	ids := make([]social.ID, 10)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			u := drawn(t, 7)
			once := storage.NewOnce(a.alice, a.Clock.Now(), "POST /v1/media", "key", u.Sum)
			m, err := a.Upload(t.Context(), a.alice, media.Draft{}, u, once)
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		})
	}
	all.Wait()
	a.work(t)
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two pictures, %s and %s", ids[0], id)
		}
	}
	if names := a.kept(t); len(names) != 2 {
		t.Errorf("%d files: %v", len(names), names)
	}
	u := drawn(t, 8)
	once := storage.NewOnce(a.alice, a.Clock.Now(), "POST /v1/media", "key", u.Sum)
	_, err := a.Upload(t.Context(), a.alice, media.Draft{}, u, once)
	if !social.IsFault(err, social.CodeIdempotencyMismatch) {
		t.Errorf("another picture under the key: %v", err)
	}
	a.work(t)
	if names := a.kept(t); len(names) != 2 {
		t.Errorf("%d files: %v", len(names), names)
	}
}

// TestLater: a picture that takes its time is answered with processing and is ready afterwards; one that turns out to be
// damaged has failed.
func TestLater(t *testing.T) {
	a := open(t)
	a.SetPatience(0)
	free := a.HoldTurns(t)
	whole, err := io.ReadAll(drawn(t, 7).File)
	if err != nil {
		t.Fatal(err)
	}
	u := uploadOf(whole)
	m, err := a.Upload(t.Context(), a.alice, media.Draft{Alt: "slow"}, u, nil)
	if err != nil || m.State != social.MediaProcessing || m.URL != nil || m.Alt != "slow" || !u.File.(*file).kept {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := a.take(t, a.alice.UserID, social.NewID(), m.ID); !hasField(err, "/media_ids/0", social.FieldNotReady) {
		t.Errorf("attached before it is ready: %v", err)
	}
	bad, err := a.Upload(t.Context(), a.alice, media.Draft{}, uploadOf(append(whole[:45:45], make([]byte, 40)...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	free()
	a.Wait()
	if got, err := a.Get(t.Context(), a.alice.UserID, m.ID); err != nil || got.State != social.MediaReady ||
		!a.shown(t, got) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := a.Get(t.Context(), a.alice.UserID, bad.ID); err != nil || got.State != social.MediaFailed {
		t.Errorf("%+v, %v", got, err)
	}
	if !u.File.(*file).closed {
		t.Error("the upload is still open")
	}
}

func hasField(err error, pointer string, code social.FieldCode) bool {
	var f *social.Fault
	if !errors.As(err, &f) {
		return false
	}
	for _, field := range f.Fields {
		if field.Pointer == pointer && field.Code == code {
			return true
		}
	}
	return false
}

// TestRestart: what was in work when the process ended has failed, and leaves nothing behind, wherever it was cut off.
func TestRestart(t *testing.T) {
	for name, cut := range map[string]int{"before the first file": 0, "between the files": 1, "before the row": 2} {
		t.Run(name, func(t *testing.T) {
			a := open(t)
			m := a.send(t, a.alice)
			a.InTx(t, func(tx storage.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE media SET state = 0, ext = '' WHERE id = $1`, m.ID)
				return err
			})
			for _, name := range a.kept(t)[cut:] {
				if err := os.Remove(filepath.Join(a.dir, name[:2], name)); err != nil {
					t.Fatal(err)
				}
			}
			a.start(t)
			a.work(t)
			got, err := a.Get(t.Context(), a.alice.UserID, m.ID)
			if err != nil || got.State != social.MediaFailed || a.shown(t, m) {
				t.Errorf("%+v, %v", got, err)
			}
			a.Advance(25 * time.Hour)
			a.work(t)
			a.nothingIsLeft(t)
		})
	}
}

func TestTake(t *testing.T) {
	a := open(t)
	one, two, post := a.send(t, a.alice), a.send(t, a.alice), social.NewID()
	bob := social.Actor{UserID: social.NewID()}
	other := a.send(t, bob)
	if _, err := a.take(t, a.alice.UserID, post, one.ID, other.ID, social.NewID()); !hasField(err, "/media_ids/1",
		social.FieldNotFound) || !hasField(err, "/media_ids/2", social.FieldNotFound) ||
		hasField(err, "/media_ids/0", social.FieldNotFound) {
		t.Errorf("somebody else's and none: %v", err)
	}
	list, err := a.take(t, a.alice.UserID, post, two.ID, one.ID)
	if err != nil || len(list) != 2 || list[0].ID != two.ID || list[0].URL == nil ||
		"https://social.example/media/"+*list[0].URL != *two.URL {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := a.take(t, a.alice.UserID, social.NewID(), one.ID); !hasField(err, "/media_ids/0", social.FieldNotFound) {
		t.Errorf("taken twice: %v", err)
	}
	if err := a.Delete(t.Context(), a.alice.UserID, one.ID); !social.IsFault(err, social.CodeInvalidState) {
		t.Errorf("deleted below its post: %v", err)
	}
	a.Advance(48 * time.Hour)
	a.work(t)
	if !a.shown(t, one) || a.shown(t, other) {
		t.Error("after a day what is used is there, and what is not used is not")
	}
	a.emit(t, event.PostRemoved{Post: event.PostInfo{ID: post}, At: a.Clock.Now()})
	if a.shown(t, one) || a.shown(t, two) {
		t.Error("pictures of a deleted post are shown before any job has run")
	}
	a.work(t)
	a.nothingIsLeft(t)
}

// TestDescribed: what is said about a picture of a post is told to who keeps the post.
func TestDescribed(t *testing.T) {
	a := open(t)
	m, post := a.send(t, a.alice), social.NewID()
	var told []event.MediaDescribed
	a.Bus.React(event.On("test", func(_ context.Context, _ storage.Tx, f event.MediaDescribed) error {
		told = append(told, f)
		return nil
	}))
	alt := "better"
	if _, err := a.Update(t.Context(), a.alice.UserID, m.ID, media.Change{Alt: &alt}); err != nil || len(told) != 0 {
		t.Fatalf("%v, told %v", err, told)
	}
	if _, err := a.take(t, a.alice.UserID, post, m.ID); err != nil {
		t.Fatal(err)
	}
	got, err := a.Update(t.Context(), a.alice.UserID, m.ID, media.Change{Focus: &social.Focus{X: -0.5, Y: 1}})
	if err != nil || got.Alt != "better" || got.Focus != (social.Focus{X: -0.5, Y: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	if len(told) != 1 || told[0].Post != post || told[0].Media.Alt != "better" || told[0].Media.Focus.Y != 1 {
		t.Errorf("told %+v", told)
	}
	if _, err := a.Update(t.Context(), a.alice.UserID, m.ID, media.Change{Focus: &social.Focus{X: 1.1}}); !hasField(err,
		"/focus", social.FieldBadFormat) {
		t.Errorf("outside: %v", err)
	}
	if _, err := a.Update(t.Context(), social.NewID(), m.ID, media.Change{Alt: &alt}); !social.IsFault(err,
		social.CodeNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
}
