package media_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"testing"
	"time"

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
