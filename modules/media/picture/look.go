package picture

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// Sentinels of what is wrong with a file.
var (
	ErrUnknown = errors.New("not a JPEG, PNG, GIF or WebP")
	ErrDamaged = errors.New("damaged")
)

// Types are the media types of the files that can be read.
func Types() []string { return []string{"image/jpeg", "image/png", "image/gif", "image/webp"} }

// Header is what the first bytes of a file tell.
type Header struct {
	Type          string // its media type
	Width, Height int    // as stored
	Memory        int64  // bytes that Make takes for it, at most
	turn          orientation
}

// Pixels is the number of them.
func (h Header) Pixels() int64 { return int64(h.Width) * int64(h.Height) }

// codec is a kind of file: how it begins, and how it is read.
type codec struct {
	name   string
	magic  string // ? stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// codecs are named here and not registered, so that no other package adds one. A GIF is read to its first picture.
var codecs = []codec{
	{"image/jpeg", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"image/png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"image/gif", "GIF8?a", gif.DecodeConfig, gif.Decode},
	{"image/webp", "RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode},
}

func codecOf(head []byte) (codec, bool) {
	for _, c := range codecs {
		if len(head) < len(c.magic) {
			continue
		}
		fits := true
		for i := range len(c.magic) {
			fits = fits && (c.magic[i] == '?' || c.magic[i] == head[i])
		}
		if fits {
			return c, true
		}
	}
	return codec{}, false
}

// headBytes is the longest magic.
const headBytes = 15

// Look reads the header of a file, from its beginning. ErrUnknown, ErrDamaged, or an error of r.
func Look(r io.ReadSeeker) (Header, error) {
	var head [headBytes]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	c, known := codecOf(head[:n])
	if !known {
		return Header{}, ErrUnknown
	}
	if err := rewind(r); err != nil {
		return Header{}, err
	}
	cfg, err := c.config(bufio.NewReader(r))
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return Header{}, fmt.Errorf("%w: %d x %d pixels", ErrDamaged, cfg.Width, cfg.Height)
	}
	h := Header{Type: c.name, Width: cfg.Width, Height: cfg.Height, turn: upright}
	perPixel := bytesPerPixel(c.name, cfg.ColorModel)
	if c.name == "image/jpeg" {
		if err := rewind(r); err != nil {
			return Header{}, err
		}
		j := scanJPEG(bufio.NewReader(r))
		h.turn, perPixel = j.turn, j.bytesPerPixel()
	}
	h.Memory = int64(float64(h.Pixels())*perPixel) + scaling
	return h, nil
}

// scaling is what Make takes beside the decoded picture: the larger size twice, as it is turned, and rows.
const scaling = 2*4*Full*Full + 4<<20

// bytesPerPixel is what a decoder takes for each, by the colours that the header tells, and what it holds beside them.
func bytesPerPixel(name string, m color.Model) float64 {
	switch {
	case name == "image/webp":
		return 8 // pixels, and beside them those of the alpha channel or of a transform
	case name == "image/gif":
		return 1
	}
	// An interlaced PNG is decoded in passes, each of which is a picture; together they have as many pixels.
	const passes = 2
	switch m {
	case color.GrayModel:
		return passes
	case color.Gray16Model:
		return passes * 2
	case color.RGBA64Model, color.NRGBA64Model:
		return passes * 8
	}
	if _, ok := m.(color.Palette); ok {
		return passes
	}
	return passes * 4
}

func rewind(r io.Seeker) error {
	_, err := r.Seek(0, io.SeekStart)
	return err
}
