package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// jpegHeader is what the markers before the pixels of a JPEG tell. What cannot be read stays as it is at the beginning:
// the decoder judges the file.
type jpegHeader struct {
	turn        orientation
	progressive bool
	components  int
	samples     float64 // for each pixel, of all components
}

// bytesPerPixel is what the decoder takes: a byte for a sample, four more for a coefficient of a progressive file, and
// for four components a second picture into which they are turned.
func (j jpegHeader) bytesPerPixel() float64 {
	n := j.samples
	if j.progressive {
		n *= 5
	}
	if j.components == 4 {
		n += 8
	}
	return n
}

// maxMarkers bounds the walk to the beginning of the pixels.
const maxMarkers = 1000

// scanJPEG walks the markers of a JPEG (ITU T.81, B.1) up to its pixels. Until a frame is found it counts as one of the
// most memory: four whole components, progressive.
func scanJPEG(r *bufio.Reader) jpegHeader {
	j := jpegHeader{turn: upright, progressive: true, components: 4, samples: 4}
	if _, err := r.Discard(2); err != nil {
		return j
	}
	for range maxMarkers {
		marker, err := nextMarker(r)
		if err != nil || marker == 0xda { // the pixels
			return j
		}
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // those without a length
			continue
		}
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return j
		}
		n := int(binary.BigEndian.Uint16(size[:])) - 2
		if n < 0 {
			return j
		}
		switch {
		case marker == 0xe1 || marker >= 0xc0 && marker <= 0xc2:
			segment := make([]byte, n) // at most 64 KiB
			if _, err := io.ReadFull(r, segment); err != nil {
				return j
			}
			if marker == 0xe1 {
				j.turn = orientationOf(segment, j.turn)
			} else {
				j.frame(segment, marker == 0xc2)
			}
		default:
			if _, err := r.Discard(n); err != nil {
				return j
			}
		}
	}
	return j
}

func nextMarker(r *bufio.Reader) (byte, error) {
	b, err := r.ReadByte()
	for err == nil && b != 0xff {
		b, err = r.ReadByte()
	}
	for err == nil && (b == 0xff || b == 0) {
		b, err = r.ReadByte()
	}
	return b, err
}

// frame reads a frame header (B.2.2): how many samples of each component there are to a pixel.
func (j *jpegHeader) frame(b []byte, progressive bool) {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) || b[5] == 0 {
		return
	}
	var across, down, samples int
	for i := range int(b[5]) {
		f := b[6+3*i+1]
		h, v := int(f>>4), int(f&15)
		across, down, samples = max(across, h), max(down, v), samples+h*v
	}
	if samples == 0 {
		return
	}
	j.progressive, j.components, j.samples = progressive, int(b[5]), float64(samples)/float64(across*down)
}

// orientationOf finds tag 0x112 in an Exif segment (Exif 2.32, 4.6.4); otherwise if it is not there.
func orientationOf(segment []byte, otherwise orientation) orientation {
	tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !ok || len(tiff) < 8 {
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
