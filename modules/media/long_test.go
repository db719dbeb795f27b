package media_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"net"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// hooked calls then before each read.
type hooked struct {
	io.ReadSeeker
	then func()
}

func (h hooked) Read(b []byte) (int, error) {
	h.then()
	return h.ReadSeeker.Read(b)
}

// long is an upload of some kilobytes that calls then before each read.
func long(t *testing.T, then func()) *social.Upload {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 300, 300))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3 * i >> 5)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	u := uploadOf(out.Bytes())
	u.File = &file{ReadSeeker: hooked{bytes.NewReader(out.Bytes()), then}}
	return u
}

// TestTooLong: a picture that is read for longer than any should take is given up, and the next one has its turn.
func TestTooLong(t *testing.T) {
	a := open(t)
	_, err := a.Upload(t.Context(), a.alice, media.Draft{}, long(t, func() { a.Advance(31 * time.Second) }), nil)
	var f *social.Fault
	if !errors.As(err, &f) || f.Code != social.CodeMediaRejected || !bytes.Contains([]byte(f.Detail), []byte("too long")) {
		t.Errorf("%v", err)
	}
	a.send(t, a.alice)
}

// TestStopWhileDecoding: what is decoded is left where it is when the program ends.
func TestStopWhileDecoding(t *testing.T) {
	a := open(t)
	stopped := make(chan error, 1)
	reads := 0
	_, err := a.Upload(t.Context(), a.alice, media.Draft{}, long(t, func() {
		if reads++; reads == 20 {
			go func() { stopped <- a.Stop(context.Background()) }()
			<-a.Ending()
		}
	}), nil)
	if reads < 20 {
		t.Fatalf("%d reads", reads)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if !errors.Is(err, storage.ErrClosed) || reads > 21 {
		t.Errorf("%v after %d reads", err, reads)
	}
}

// TestNobodyIsThere: an upload that outlived its account leaves nothing.
func TestNobodyIsThere(t *testing.T) {
	a := open(t)
	a.emit(t, event.UserDeleted{UserID: a.alice.UserID, At: a.Clock.Now()})
	_, err := a.Upload(t.Context(), a.alice, media.Draft{}, drawn(t, 7), nil)
	if !social.IsFault(err, social.CodeInvalidToken) {
		t.Errorf("%v", err)
	}
	a.nothingIsLeft(t)
}

// spending counts what it is asked for.
type spending struct{ bytes int64 }

func (s *spending) SpendFile(_ context.Context, bytes int64) error { s.bytes += bytes; return nil }

// TestRepeatedCostsNothing: what is sent again under its key is neither charged nor decoded.
func TestRepeatedCostsNothing(t *testing.T) {
	a := open(t)
	spent := &spending{}
	a.Ports.Quota = spent
	send := func() (social.Media, *storage.Once) {
		u := drawn(t, 7)
		once := storage.NewOnce(a.alice, a.Clock.Now(), "POST /v1/media", "key", u.Sum)
		m, err := a.Upload(t.Context(), a.alice, media.Draft{}, u, once)
		if err != nil {
			t.Fatal(err)
		}
		return m, once
	}
	first, _ := send()
	before := spent.bytes
	defer a.HoldTurns(t)()
	again, once := send()
	if again.ID != first.ID || !once.Replayed() || spent.bytes != before {
		t.Errorf("%s and %s, %d bytes more are charged", first.ID, again.ID, spent.bytes-before)
	}
}

// TestKeyOfTheFailed: a picture that was promised and lost with the process may be sent again under its key.
func TestKeyOfTheFailed(t *testing.T) {
	a := open(t)
	a.SetPatience(0)
	free := a.HoldTurns(t)
	send := func() (social.Media, *storage.Once) {
		u := drawn(t, 7)
		once := storage.NewOnce(a.alice, a.Clock.Now(), "POST /v1/media", "key", u.Sum)
		m, err := a.Upload(t.Context(), a.alice, media.Draft{}, u, once)
		if err != nil {
			t.Fatal(err)
		}
		return m, once
	}
	first, _ := send()
	if again, once := send(); again.ID != first.ID || !once.Replayed() {
		t.Errorf("while it is in work: %s and %s", first.ID, again.ID)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	free()
	a.start(t)
	if got, err := a.Get(t.Context(), a.alice.UserID, first.ID); err != nil || got.State != social.MediaFailed {
		t.Errorf("%+v, %v", got, err)
	}
	again, once := send()
	if again.ID == first.ID || once.Replayed() || again.State == social.MediaFailed {
		t.Errorf("%+v", again)
	}
	if third, once := send(); third.ID != again.ID || !once.Replayed() {
		t.Errorf("%s, then %s", again.ID, third.ID)
	}
}

// TestStoreAway: a store that nobody answers for is told as such.
func TestStoreAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := open(t)
	m := a.send(t, a.alice)
	cfg := media.DefaultConfig()
	cfg.Store = "s3"
	cfg.S3 = media.S3{Endpoint: l.Addr().String(), Bucket: "pictures", Region: "us-east-1", AccessKey: "k", SecretKey: "s",
		Insecure: true}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	away := media.New(cfg, social.Site{PublicURL: "https://social.example"}, a.DB, a.Bus, a.Clock, a.Log)
	_, err = away.Open(t.Context(), (*m.URL)[len("https://social.example/media/"):][:22], "full.jpg")
	if !social.IsFault(err, social.CodeUnavailable) {
		t.Errorf("%v", err)
	}
}
