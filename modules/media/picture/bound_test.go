package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"sync"
	"testing"

	"compress/zlib"

	"github.com/belfry-social/belfry/modules/media/picture"
)

// frame is a frame header of components that are all as large, or of half the first one's size.
func frame(marker byte, w, h, components int, first byte) string {
	b := binary.BigEndian.AppendUint16([]byte{8}, uint16(h))
	b = append(binary.BigEndian.AppendUint16(b, uint16(w)), byte(components))
	for i := range components {
		b = append(b, byte(i+1), first, 0)
		first = 0x11
	}
	return segment(marker, string(b))
}

// zeros is a table with one code, of one bit.
func zeros(class, symbol byte) string {
	return segment(0xc4, string([]byte{class, 1})+strings.Repeat("\x00", 15)+string([]byte{symbol}))
}

// progressive is a JPEG of gray, with so many scans that go over all its pixels and tell nothing new, each in a few
// bytes.
func progressive(w, h, components, scans int) []byte {
	blocks := (w + 7) / 8 * ((h + 7) / 8)
	s := "\xff\xd8" + segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x00") +
		segment(0xdb, "\x00"+strings.Repeat("\x01", 64)) + frame(0xc2, w, h, components, 0x11) +
		zeros(0x00, 0) + zeros(0x10, 0xe0)
	of := string([]byte{byte(components)})
	for i := range components {
		of += string([]byte{byte(i + 1), 0})
	}
	s += segment(0xda, of+"\x00\x00\x00") + strings.Repeat("\x00", blocks*components/8+1)
	// A code of one bit and fourteen more say for how many blocks nothing comes.
	run := segment(0xda, "\x01\x01\x00\x01\x3f\x00") + strings.Repeat("\x00", blocks*15/(1<<14)/8+3)
	return []byte(s + strings.Repeat(run, scans) + "\xff\xd9")
}

// hidden stands behind the first marker of a JPEG and is passed over: it looks like a small frame and its pixels.
const hidden = "\xff\x00\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\x00\xda"

// interlaced is a PNG whose pixels are all zero, in seven passes.
func interlaced(t *testing.T, w, h int, depth, colours byte, chunks string) []byte {
	t.Helper()
	samples := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2},
		{0, 1, 1, 2}} {
		across, down := (w-p[0]+p[2]-1)/p[2], (h-p[1]+p[3]-1)/p[3]
		if across == 0 || down == 0 {
			continue
		}
		if _, err := z.Write(make([]byte, down*(1+across*samples*int(depth)/8))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	return []byte("\x89PNG\r\n\x1a\n" + chunk("IHDR", string(append(head, depth, colours, 0, 0, 1))) + chunks +
		chunk("IDAT", pixels.String()) + chunk("IEND", ""))
}

func chunk(name, content string) string {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), name+content...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}

// bits are written lowest first, and codes highest first.
type bits struct {
	out  []byte
	used int
}

func (b *bits) write(v, n int) {
	for i := range n {
		if b.used%8 == 0 {
			b.out = append(b.out, 0)
		}
		b.out[b.used/8] |= byte(v>>i&1) << (b.used % 8)
		b.used++
	}
}

func (b *bits) code(v, n int) {
	for i := range n {
		b.write(v>>(n-1-i), 1)
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// tree writes the lengths of codes, of which there are first of one length, and then rest of another.
func (b *bits) tree(length, first, other, rest int) {
	order := []int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	b.write(0, 1)
	b.write(len(order)-4, 4)
	for _, l := range order {
		b.write(one(l == length || rest > 0 && l == other), 3)
	}
	b.write(0, 1)
	if rest > 0 {
		for i := range first + rest {
			b.write(one((i < first) == (length > other)), 1)
		}
	}
}

// manyTrees is a lossless WebP with the most trees that the decoder takes (H38).
var manyTrees = sync.OnceValue(func() []byte {
	const groups, tiles = 2600, 51
	var b bits
	b.write(0x2f, 8)
	b.write(tiles*4-1, 14)
	b.write(tiles*4-1, 14)
	b.write(0, 4)  // no alpha, the version
	b.write(2, 2)  // no transform, a cache of colours
	b.write(11, 4) // of 2048
	b.write(1, 1)  // many groups
	b.write(0, 3+1)
	b.tree(8, 256, 0, 24)
	b.tree(8, 256, 0, 0)
	for range 3 {
		b.write(1, 4)
	}
	for i := range tiles * tiles {
		group := min(i, groups-1)
		b.code(group&255, 8)
		b.code(group>>8, 8)
	}
	for range groups {
		b.tree(11, 1768, 12, 560)
		for range 3 {
			b.tree(8, 256, 0, 0)
		}
		b.tree(5, 24, 6, 16)
	}
	b.out = append(b.out, make([]byte, 16*tiles*tiles*(11+24)/8+2)...)
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(b.out)/2*2))
	whole := binary.LittleEndian.AppendUint32(nil, uint32(len(b.out)/2*2+12))
	return []byte("RIFF" + string(whole) + "WEBPVP8L" + string(size) + string(b.out[:len(b.out)/2*2]))
})

func goOn() error { return nil }

// TestCraftedMemory: files made to take more than their header seems to tell take no more than Look says (H38). Some
// throw away what they have taken before they take more, which counts here and not there.
func TestCraftedMemory(t *testing.T) {
	const w, h = 900, 700
	for name, file := range map[string][]byte{
		"a hidden frame":         into(progressive(w, h, 3, 1), hidden),
		"four components":        into(progressive(w, h, 4, 1), hidden),
		"colours as they are":    progressive(w, h, 3, 1),
		"a narrow one":           progressive(1, 60_000, 3, 1),
		"interlaced gray":        interlaced(t, w, h, 8, 0, chunk("tRNS", "\x00\x07")),
		"interlaced deep gray":   interlaced(t, w, h, 16, 0, chunk("tRNS", "\x00\x07")),
		"interlaced and deep":    interlaced(t, w, h, 16, 6, ""),
		"a long row":             interlaced(t, 1<<20, 1, 16, 0, ""),
		"trees of lossless WebP": manyTrees(),
	} {
		r := bytes.NewReader(file)
		head, err := picture.Look(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		took := allocated(func() { _, err = picture.Make(r, head, goOn) })
		if strings.HasPrefix(name, "trees") {
			took -= 2600 * 2 * 4 * (2328 + 3*256 + 40) // the lengths and the codes of which trees are made
		}
		t.Logf("%s: %d of %d bytes (%v)", name, took, head.Memory, err)
		if int64(took) > head.Memory || err != nil {
			t.Errorf("%s: %d bytes, said were %d (%v)", name, took, head.Memory, err)
		}
	}
}

// TestLargestPlain: pictures of 40 megapixels as cameras and programs write them fit into 256 MiB.
func TestLargestPlain(t *testing.T) {
	const w, h = 8000, 5000
	large := func(colours byte) []byte {
		b := bomb(w, h, colours)
		return b
	}
	for name, file := range map[string][]byte{"PNG": large(2), "PNG with alpha": large(6), "gray PNG": large(0),
		"JPEG": into([]byte("\xff\xd8"), frame(0xc0, w, h, 3, 0x22), segment(0xda, "\x00")),
		"WebP": []byte("RIFF\x00\x01\x00\x00WEBPVP8 \xf0\x00\x00\x00\x10\x00\x00\x9d\x01\x2a\x40\x1f\x88\x13" +
			strings.Repeat("\x00", 300))} {
		head, err := picture.Look(bytes.NewReader(file))
		if err != nil || head.Pixels() != w*h || head.Memory > 256<<20 {
			t.Errorf("%s: %+v, %v", name, head, err)
		}
	}
}

// TestSaidToBeLong: a decoder takes at once what the head of a part says, which may be more than the file has.
func TestSaidToBeLong(t *testing.T) {
	file := "RIFF\xf0\xff\xff\x7fWEBPVP8 \x00\xff\xff\x7f\x10\x00\x00\x9d\x01\x2a\x10\x00\x10\x00" +
		strings.Repeat("\x00", 300)
	if h, err := picture.Look(strings.NewReader(file)); err != nil || h.Memory < 0x7fffff00 {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestTime: what would be worked on for minutes is refused, or left when it is told to.
func TestTime(t *testing.T) {
	if _, err := picture.Look(bytes.NewReader(progressive(64, 64, 1, 101))); !errors.Is(err, picture.ErrSlow) {
		t.Errorf("102 scans: %v", err)
	}
	behind := append(progressive(64, 64, 1, 5), progressive(64, 64, 1, 200)...)
	if _, err := picture.Look(bytes.NewReader(behind)); err != nil {
		t.Errorf("scans behind the end: %v", err)
	}
	enough := errors.New("enough")
	for name, file := range map[string][]byte{"JPEG": progressive(640, 480, 3, 90),
		"PNG":  interlaced(t, 640, 480, 8, 6, ""),
		"WebP": manyTrees()} {
		r := bytes.NewReader(file)
		h, err := picture.Look(r)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		_, err = picture.Make(r, h, func() error {
			if asked++; asked > 2 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || errors.Is(err, picture.ErrDamaged) || asked != 3 {
			t.Errorf("%s: %v after %d questions", name, err, asked)
		}
	}
}

// TestOrientationElsewhere: it is applied wherever a kind of file has it.
func TestOrientationElsewhere(t *testing.T) {
	tiff := exif(6)[10:]
	m := image.NewGray(image.Rect(0, 0, 30, 20))
	m.SetGray(0, 0, color.Gray{Y: 255})
	whole := asPNG(t, m)
	before := string(whole[:33]) + chunk("eXIf", tiff) + string(whole[33:])
	behind := string(whole[:len(whole)-12]) + chunk("eXIf", tiff) + string(whole[len(whole)-12:])
	for name, file := range map[string]string{"before": before, "behind": behind} {
		if m, _ := made(t, []byte(file)); m.Width != 20 || m.Height != 30 {
			t.Errorf("%s the pixels: %d x %d", name, m.Width, m.Height)
		}
	}
}

// FuzzLook: whatever image/jpeg reads of a header was seen by the walk.
func FuzzLook(f *testing.F) {
	f.Add(into(progressive(8, 8, 3, 1), hidden))
	f.Add(into(progressive(8, 8, 1, 1), "\xff\xff\xff\x00\x00", exif(6)))
	f.Add(into(asJPEG(f, photo(9, 9)), "\xff\xd0", segment(0xfe, "\xff\xc0"), "\x00\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(file))
		if err != nil || cfg.Width < 1 || cfg.Height < 1 || !bytes.HasPrefix(file, []byte("\xff\xd8\xff")) {
			return
		}
		h, err := picture.Look(bytes.NewReader(file))
		if err != nil && !errors.Is(err, picture.ErrSlow) || err == nil && h.Memory-picture.Scaling < h.Pixels() {
			t.Errorf("%+v, %v; the decoder says %+v", h, err, cfg)
		}
	})
}
