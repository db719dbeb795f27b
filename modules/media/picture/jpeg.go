package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"io"
)

// maxScans bounds the scans of a JPEG: each may go over all pixels again, in a few bytes. Cameras and programs make up
// to twenty.
const maxScans = 100

// Markers of a JPEG (ITU T.81, table B.1).
const (
	sof0, sof2, rst0, rst7, eoi, sos, app1, app14 = 0xc0, 0xc2, 0xd0, 0xd7, 0xd9, 0xda, 0xe1, 0xee
)

// jpegWalk is what the markers of a JPEG have told.
type jpegWalk struct {
	turn   orientation
	memory int64 // of the largest frame
	frames int
	scans  int
	rgb    bool // its three components are not turned from other ones
}

// scanJPEG walks the markers of a JPEG (ITU T.81, B.1) to its end in the way of image/jpeg, which judges the file: what
// that decoder passes over is passed over, so that it meets no frame and no scan that was not seen here.
func scanJPEG(r *bufio.Reader, cfg image.Config) (shape, error) {
	j := jpegWalk{turn: upright}
	_, err := r.Discard(2)
	for err == nil && j.scans <= maxScans {
		var more bool
		if more, err = j.segment(r); !more {
			break
		}
	}
	switch {
	case j.scans > maxScans:
		return shape{}, ErrSlow
	case j.frames == 0:
		return shape{}, ErrDamaged
	case j.rgb:
		j.memory += 4 * int64(cfg.Width) * int64(cfg.Height)
	}
	return shape{turn: j.turn, memory: j.memory}, nil
}

// segment reads up to the next marker, and what belongs to it; false = it was the last one.
func (j *jpegWalk) segment(r *bufio.Reader) (more bool, err error) {
	marker, err := nextMarker(r)
	if err != nil || marker == eoi {
		return false, err
	}
	if marker >= rst0 && marker <= rst7 { // those without a length
		return true, nil
	}
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return false, err
	}
	n := int(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return false, nil
	}
	if marker == sos {
		j.scans++
	}
	if marker != app1 && marker != app14 && (marker < sof0 || marker > sof2) {
		_, err := r.Discard(n)
		return true, err
	}
	content := make([]byte, n) // at most 64 KiB
	if _, err := io.ReadFull(r, content); err != nil {
		return false, err
	}
	switch marker {
	case app1:
		if tiff, ok := bytes.CutPrefix(content, []byte(exifPrefix)); ok {
			j.turn = orientationOf(tiff, j.turn)
		}
	case app14:
		j.rgb = j.rgb || n >= 12 && bytes.HasPrefix(content, []byte("Adobe")) && content[11] == 0
	default:
		j.frame(content, marker == sof2)
	}
	return true, nil
}

// nextMarker passes over all that is none: an 0xff and a zero are two bytes of pixels.
func nextMarker(r *bufio.Reader) (byte, error) {
	var before byte
	for {
		b, err := r.ReadByte()
		if err != nil || before == 0xff && b != 0xff && b != 0 {
			return b, err
		}
		before = b
	}
}

// frame reads a frame header (B.2.2). The decoder takes a byte for a sample, four more for a coefficient of a
// progressive file, both for whole blocks, and for four components a second picture into which they are turned.
func (j *jpegWalk) frame(b []byte, progressive bool) {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) || b[5] == 0 {
		return
	}
	n, h, w := int(b[5]), int64(b[1])<<8|int64(b[2]), int64(b[3])<<8|int64(b[4])
	var across, down, each int64
	for i := range n {
		f := b[6+3*i+1]
		x, y := int64(f>>4), int64(f&15)
		if n == 1 { // B.2.3: what stands alone is not interleaved
			x, y = 1, 1
		}
		across, down, each = max(across, x), max(down, y), each+x*y
	}
	if across == 0 || down == 0 {
		return
	}
	samples := 64 * each * whole(w, 8*across) * whole(h, 8*down)
	memory := samples
	if progressive {
		memory += 4 * samples
	}
	if n == 4 {
		memory += 4 * w * h
	}
	if n == 3 {
		j.rgb = j.rgb || b[6] == 'R' && b[9] == 'G' && b[12] == 'B'
	}
	j.frames++
	j.memory = max(j.memory, memory)
}

// whole is how many of a size it takes for a length.
func whole(length, size int64) int64 { return (length + size - 1) / size }

// exifPrefix stands before the data of Exif, as they are in a JPEG.
const exifPrefix = "Exif\x00\x00"

// orientationOf finds tag 0x112 in the data of Exif (Exif 2.32, 4.6.4); otherwise if it is not there.
func orientationOf(tiff []byte, otherwise orientation) orientation {
	if len(tiff) < 8 {
		return otherwise
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return otherwise
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return otherwise
		}
		if order.Uint16(entries) == 0x112 {
			if o := orientation(order.Uint16(entries[8:])); o >= upright && o <= last {
				return o
			}
			return otherwise
		}
		entries = entries[12:]
	}
	return otherwise
}
