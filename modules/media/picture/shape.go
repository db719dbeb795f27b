package picture

import (
	"bufio"
	"encoding/binary"
	"image"
	"io"

	"golang.org/x/image/riff"
)

// shape is what a walk through a file, without its pixels, tells beside its size.
type shape struct {
	turn   orientation
	memory int64 // bytes that the decoder takes, at most
}

// maxExif bounds what is read of the data of Exif, as a JPEG does.
const maxExif = 64 << 10

// scanPNG walks the chunks of a PNG (W3C PNG, 5.3), which the decoder judges.
func scanPNG(r *bufio.Reader, cfg image.Config) (shape, error) {
	var head [8 + 8 + 13 + 4]byte // the signature and the chunk IHDR
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return shape{}, ErrDamaged
	}
	depth, colours, interlaced := head[24], head[25], head[28] != 0
	s, clear := shape{turn: upright}, false
	var chunk [8]byte
	for string(chunk[4:]) != "IEND" {
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			break
		}
		n := int(binary.BigEndian.Uint32(chunk[:]))
		if name := string(chunk[4:]); name == "eXIf" && n <= maxExif {
			tiff := make([]byte, n)
			if _, err := io.ReadFull(r, tiff); err != nil {
				break
			}
			s.turn, n = orientationOf(tiff, s.turn), 0
		} else if name == "tRNS" {
			clear = true
		}
		if _, err := r.Discard(n + 4); err != nil { // and the sum
			break
		}
	}
	const gray, palette = 0, 3
	s.memory = 4 * int64(cfg.Width) * int64(cfg.Height)
	if colours == palette || colours == gray && !clear {
		s.memory /= 4
	}
	if depth == 16 {
		s.memory *= 2
	}
	if interlaced { // decoded in passes, each of which is a picture; together they have as many pixels
		s.memory *= 2
	}
	return s, nil
}

// scanGIF: an interlaced one is put in order in a second picture.
func scanGIF(_ *bufio.Reader, cfg image.Config) (shape, error) {
	return shape{turn: upright, memory: 2 * int64(cfg.Width) * int64(cfg.Height)}, nil
}

// maxGroups and groupBytes are of the decoder of lossless WebP: for each square of four by four pixels there may be
// five trees, of 2328, three times 256 and 40 leaves, and a table of 128 words for each.
const (
	maxGroups  = 2600
	groupBytes = 5*(128*4+24) + 8*(2*(2328+3*256+40)-5)
)

// scanWebP walks the chunks of a WebP (RFC 9649, 2.3), which the decoder judges.
func scanWebP(r *bufio.Reader, cfg image.Config) (shape, error) {
	s := shape{turn: upright}
	_, chunks, err := riff.NewReader(r)
	if err != nil {
		return s, ErrDamaged
	}
	w, h := int64(cfg.Width), int64(cfg.Height)
	lossless := 8*w*h + groupBytes*min(maxGroups, whole(w, 4)*whole(h, 4)) // pixels, and those of a transform
	for {
		id, n, content, err := chunks.Next()
		if err != nil {
			return s, nil
		}
		switch string(id[:]) {
		case "VP8 ":
			// The decoder takes as much for its parts as the chunk is said to be long.
			s.memory += 256*3/2*whole(w, 16)*whole(h, 16) + int64(n)
		case "VP8L":
			s.memory += lossless
		case "ALPH":
			s.memory += lossless + w*h
		case "EXIF":
			tiff := make([]byte, min(n, maxExif))
			if _, err := io.ReadFull(content, tiff); err != nil {
				return s, nil
			}
			if len(tiff) > len(exifPrefix) && string(tiff[:len(exifPrefix)]) == exifPrefix { // as some write it
				tiff = tiff[len(exifPrefix):]
			}
			s.turn = orientationOf(tiff, s.turn)
		}
	}
}
