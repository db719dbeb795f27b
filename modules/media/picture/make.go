package picture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	blurhash "github.com/bbrks/go-blurhash"
)

// The two sizes: the most pixels of the longer side.
const (
	Full  = 2048
	Small = 640
)

const (
	quality = 82 // of JPEG
	// Parts of a BlurHash, and the side of what it is made of: it holds no more than that.
	blurX, blurY, blurSide = 4, 3, 32
)

// Made is a picture as people are shown it.
type Made struct {
	Type, Ext     string // "image/jpeg", "jpg"; PNG where something of it can be seen through
	Width, Height int    // of Full
	Full, Small   []byte
	Blurhash      string
}

// Make reads the file whose header is h, from its beginning, and makes both sizes. It asks again and again, after so
// many bytes that few moments lie between, whether to go on. ErrDamaged, or an error of r or of goOn.
func Make(r io.ReadSeeker, h Header, goOn func() error) (Made, error) {
	if err := rewind(r); err != nil {
		return Made{}, err
	}
	from := &watched{from: r, goOn: goOn}
	src, err := decode(from, h)
	if from.err != nil {
		return Made{}, from.err
	}
	if err != nil {
		return Made{}, err
	}
	if err := goOn(); err != nil {
		return Made{}, err
	}
	b := src.Bounds()
	w, ht := fit(b.Dx(), b.Dy(), Full)
	full := h.turn.apply(scale(src, w, ht))
	src = nil // its memory is the largest part
	m := Made{Type: "image/jpeg", Ext: "jpg", Width: full.Rect.Dx(), Height: full.Rect.Dy()}
	if !full.Opaque() {
		m.Type, m.Ext = "image/png", "png"
	}
	w, ht = fit(m.Width, m.Height, Small)
	small := scale(full, w, ht)
	if m.Full, err = encode(full, m.Ext); err != nil {
		return Made{}, err
	}
	if m.Small, err = encode(small, m.Ext); err != nil {
		return Made{}, err
	}
	w, ht = fit(w, ht, blurSide)
	m.Blurhash, err = blurhash.Encode(blurX, blurY, scale(small, w, ht))
	return m, err
}

// watched is a file that is read as long as goOn says nothing. It keeps what ended it, which some decoders do not.
type watched struct {
	from io.Reader
	goOn func() error
	err  error
}

// watchedBytes is how much is read between two questions. It may be ten scans of 40 megapixels each.
const watchedBytes = 512

func (w *watched) Read(b []byte) (n int, err error) {
	if w.err = w.goOn(); w.err != nil {
		return 0, w.err
	}
	n, err = w.from.Read(b[:min(len(b), watchedBytes)])
	if !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// decode reads the pixels. A decoder that panics has met a file that it should have refused.
func decode(r io.Reader, h Header) (src image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			src, err = nil, fmt.Errorf("%w: the decoder panics: %v", ErrDamaged, p)
		}
	}()
	for _, c := range codecs {
		if c.name != h.Type {
			continue
		}
		if src, err = c.decode(bufio.NewReader(r)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if b := src.Bounds(); b.Empty() || b.Dx() > h.Width || b.Dy() > h.Height {
			return nil, fmt.Errorf("%w: its header tells of another size", ErrDamaged)
		}
		return src, nil
	}
	return nil, ErrUnknown
}

func encode(m *image.RGBA, ext string) ([]byte, error) {
	var out bytes.Buffer
	var err error
	if ext == "png" {
		err = png.Encode(&out, m)
	} else {
		err = jpeg.Encode(&out, m, &jpeg.Options{Quality: quality})
	}
	return out.Bytes(), err
}
