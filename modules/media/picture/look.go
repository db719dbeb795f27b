package picture

import (
	"bufio"
	"errors"
	"fmt"
	"image"
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
	ErrSlow    = errors.New("takes too long to be read")
)

// Types are the media types of the files that can be read.
func Types() []string { return []string{"image/jpeg", "image/png", "image/gif", "image/webp"} }

// Header is what Look has found.
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
	scan   func(*bufio.Reader, image.Config) (shape, error)
}

// codecs are named here and not registered, so that no other package adds one. A GIF is read to its first picture.
var codecs = []codec{
	{"image/jpeg", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode, scanJPEG},
	{"image/png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, scanPNG},
	{"image/gif", "GIF8?a", gif.DecodeConfig, gif.Decode, scanGIF},
	{"image/webp", "RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode, scanWebP},
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

// Look reads a file from its beginning, but for its pixels. ErrUnknown, ErrDamaged, ErrSlow, or an error of r.
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
	if err := rewind(r); err != nil {
		return Header{}, err
	}
	found, err := c.scan(bufio.NewReader(r), cfg)
	if err != nil {
		return Header{}, err
	}
	h := Header{Type: c.name, Width: cfg.Width, Height: cfg.Height, turn: found.turn}
	h.Memory = found.memory + perSide*int64(h.Width+h.Height) + scaling
	return h, nil
}

// scaling is what Make takes beside the decoded picture: the larger size twice, as it is turned, and rows.
const scaling = 2*4*Full*Full + 4<<20

// perSide is what it takes for each pixel of a side: two rows of a decoder, one of the scaler, and its weights.
const perSide = 2*8 + 4 + 16

func rewind(r io.Seeker) error {
	_, err := r.Seek(0, io.SeekStart)
	return err
}
