package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"github.com/belfry-social/belfry/modules/media/picture"
)

func asPNG(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// segment is a part of a JPEG.
func segment(marker byte, content string) string {
	return "\xff" + string([]byte{marker}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(content)+2))) + content
}

// into puts segments behind the first marker of a JPEG.
func into(file []byte, segments ...string) []byte {
	return []byte(string(file[:2]) + strings.Join(segments, "") + string(file[2:]))
}

// exif is a segment with an orientation and a place.
func exif(orientation byte) string {
	return segment(0xe1, "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02"+
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00"+string([]byte{orientation})+"\x00\x00"+
		"\x01\x0e\x00\x02\x00\x00\x00\x0f\x00\x00\x00\x26\x00\x00\x00\x00GPS 48.137 N\x00\x00")
}

func made(t *testing.T, file []byte) (picture.Made, image.Image) {
	t.Helper()
	r := bytes.NewReader(file)
	h, err := picture.Look(r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := picture.Make(r, h, goOn)
	if err != nil {
		t.Fatal(err)
	}
	full, kind, err := image.Decode(bytes.NewReader(m.Full))
	if err != nil || "image/"+kind != m.Type || full.Bounds().Dx() != m.Width || full.Bounds().Dy() != m.Height {
		t.Fatalf("the larger file is %s %v (%v), said to be %s %d x %d", kind, full, err, m.Type, m.Width, m.Height)
	}
	return m, full
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct{ w, h, fullW, fullH, smallW, smallH int }{
		{1, 1, 1, 1, 1, 1}, {640, 480, 640, 480, 640, 480}, {641, 2, 641, 2, 640, 2}, {2048, 100, 2048, 100, 640, 31},
		{100, 2049, 100, 2048, 31, 640}, {2400, 1800, 2048, 1536, 640, 480}, {5000, 1, 2048, 1, 640, 1},
	} {
		m, _ := made(t, asJPEG(t, photo(tt.w, tt.h)))
		small, err := jpeg.DecodeConfig(bytes.NewReader(m.Small))
		if err != nil || m.Width != tt.fullW || m.Height != tt.fullH || small.Width != tt.smallW ||
			small.Height != tt.smallH {
			t.Errorf("%d x %d became %d x %d and %d x %d (%v)", tt.w, tt.h, m.Width, m.Height, small.Width, small.Height, err)
		}
		if m.Type != "image/jpeg" || m.Ext != "jpg" || len(m.Blurhash) != 4+2*12 {
			t.Errorf("%s, %s, blurhash %q", m.Type, m.Ext, m.Blurhash)
		}
	}
}

// TestOrientation: each of the eight ways to hold a camera gives the same upright picture. The corners tell.
func TestOrientation(t *testing.T) {
	red, green, blue, white := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255},
		color.RGBA{255, 255, 255, 255}
	const w, h = 96, 64
	for o, corners := range map[byte][4]color.RGBA{ // as stored: top left, top right, bottom left, bottom right
		1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red},
		4: {blue, white, red, green},
		5: {red, blue, green, white}, 6: {green, white, red, blue}, 7: {white, green, blue, red},
		8: {blue, red, white, green},
		0: {red, green, blue, white}, 9: {red, green, blue, white},
	} {
		sw, sh := w, h
		if o >= 5 && o <= 8 {
			sw, sh = h, w
		}
		stored := image.NewRGBA(image.Rect(0, 0, sw, sh))
		for i, c := range corners {
			at := image.Rect(i%2*sw/2, i/2*sh/2, (i%2+1)*sw/2, (i/2+1)*sh/2)
			draw.Draw(stored, at, image.NewUniform(c), image.Point{}, draw.Src)
		}
		_, full := made(t, into(asJPEG(t, stored), exif(o)))
		if full.Bounds() != image.Rect(0, 0, w, h) {
			t.Errorf("orientation %d: %v", o, full.Bounds())
			continue
		}
		for i, want := range []color.RGBA{red, green, blue, white} {
			got := color.RGBAModel.Convert(full.At(w/4+i%2*w/2, h/4+i/2*h/2)).(color.RGBA)
			if far(got.R, want.R) > 40 || far(got.G, want.G) > 40 || far(got.B, want.B) > 40 {
				t.Errorf("orientation %d: corner %d is %v, want %v", o, i, got, want)
			}
		}
	}
}

func far(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }

// TestNothingIsLeft: place, colours' profile, comment, thumbnail and script are in neither file (H39, H40).
func TestNothingIsLeft(t *testing.T) {
	secrets := []string{"GPS 48.137", "<x:xmpmeta", "ICC_PROFILE", "a comment", "<script>", "Exif", "thumbnail"}
	file := into(asJPEG(t, photo(300, 200)), exif(6), segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>"),
		segment(0xe2, "ICC_PROFILE\x00\x01\x01"), segment(0xfe, "a comment <script>alert(1)</script>"),
		segment(0xed, "Photoshop 3.0 thumbnail"))
	file = append(file, "<html><script>alert(1)</script>PK\x03\x04"...)
	m, _ := made(t, file)
	for _, s := range secrets {
		if bytes.Contains(m.Full, []byte(s)) || bytes.Contains(m.Small, []byte(s)) {
			t.Errorf("%q is left", s)
		}
		if !bytes.Contains(file, []byte(s)) {
			t.Errorf("%q was not there", s)
		}
	}
}

func TestTransparentStaysSo(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 900, 900))
	draw.Draw(m, image.Rect(0, 0, 450, 900), image.NewUniform(color.NRGBA{200, 20, 20, 255}), image.Point{}, draw.Src)
	got, full := made(t, asPNG(t, m))
	_, _, _, left := full.At(100, 100).RGBA()
	_, _, _, right := full.At(800, 100).RGBA()
	if got.Type != "image/png" || left != 0xffff || right != 0 {
		t.Errorf("%s, alpha %x and %x", got.Type, left, right)
	}
}

// TestFirstPictureOfMany: a GIF of 10,000 pictures is read to its first one (H38).
func TestFirstPictureOfMany(t *testing.T) {
	frame := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{color.Black, color.White})
	other := image.NewPaletted(frame.Rect, color.Palette{color.White, color.Black})
	all := &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{1}}
	for range 9_999 {
		all.Image, all.Delay = append(all.Image, other), append(all.Delay, 1)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, all); err != nil {
		t.Fatal(err)
	}
	var first image.Image
	most := allocated(func() { _, first = made(t, file.Bytes()) })
	if r, _, _, _ := first.At(5, 5).RGBA(); r > 0x1000 {
		t.Errorf("not the first picture: %x", r)
	}
	if most > 4<<20 {
		t.Errorf("%d bytes for a picture of 64 x 64", most)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// bomb is a PNG whose header tells of w x h pixels.
func bomb(w, h uint32, colours byte) []byte {
	ihdr := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	ihdr = append(binary.BigEndian.AppendUint32(ihdr, h), 8, colours, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
	return append(out, make([]byte, 40<<10)...)
}

// TestBombs are told by their header, which costs next to nothing (H38).
func TestBombs(t *testing.T) {
	webp := append([]byte("RIFF\x00\x01\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\xfe\x7f\x00"+
		"VP8L\x20\x00\x00\x00"), make([]byte, 300)...)
	for name, tt := range map[string]struct {
		file   []byte
		pixels int64
	}{
		"PNG":  {bomb(50_000, 50_000, 2), 2_500_000_000},
		"WebP": {webp, 65536 * 32767},
		"GIF":  {[]byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,"), 65535 * 65535},
		"JPEG": {into([]byte("\xff\xd8"), segment(0xc0, "\x08\xff\xff\xff\xff\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"),
			segment(0xda, "\x00")), 65535 * 65535},
	} {
		var h picture.Header
		var err error
		most := allocated(func() { h, err = picture.Look(bytes.NewReader(tt.file)) })
		if err != nil || h.Pixels() != tt.pixels || h.Memory < tt.pixels {
			t.Errorf("%s: %+v, %v; want %d pixels", name, h, err, tt.pixels)
		}
		if most > 1<<20 {
			t.Errorf("%s: %d bytes for a look", name, most)
		}
	}
}

func TestUnknownAndDamaged(t *testing.T) {
	whole := asJPEG(t, photo(300, 200))
	for name, tt := range map[string]struct {
		file string
		want error
	}{
		"nothing": {"", picture.ErrUnknown}, "text": {"hello", picture.ErrUnknown},
		"SVG":              {`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, picture.ErrUnknown},
		"BMP":              {"BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", picture.ErrUnknown},
		"TIFF":             {"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", picture.ErrUnknown},
		"a JPEG's start":   {string(whole[:200]), picture.ErrDamaged},
		"half a JPEG":      {string(whole[:len(whole)/2]), picture.ErrDamaged},
		"a PNG's start":    {string(asPNG(t, photo(30, 30))[:200]), picture.ErrDamaged},
		"no pixels at all": {string(bomb(0, 5, 2)), picture.ErrDamaged},
	} {
		r := strings.NewReader(tt.file)
		h, err := picture.Look(r)
		if err == nil {
			_, err = picture.Make(r, h, goOn)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestMemoryIsWhatWasSaid: Make allocates no more than the header's figure, all that it allocates taken together.
func TestMemoryIsWhatWasSaid(t *testing.T) {
	const w, h = 1200, 900
	gray := image.NewGray(image.Rect(0, 0, w, h))
	deep := image.NewNRGBA64(gray.Rect)
	draw.Draw(gray, gray.Rect, photo(w, h), image.Point{}, draw.Src)
	draw.Draw(deep, gray.Rect, photo(w, h), image.Point{}, draw.Src)
	for name, file := range map[string][]byte{"JPEG": asJPEG(t, photo(w, h)), "gray JPEG": asJPEG(t, gray),
		"PNG": asPNG(t, photo(w, h)), "gray PNG": asPNG(t, gray), "deep PNG": asPNG(t, deep)} {
		r := bytes.NewReader(file)
		head, err := picture.Look(r)
		if err != nil {
			t.Fatal(err)
		}
		took := allocated(func() { _, err = picture.Make(r, head, goOn) })
		t.Logf("%s: %d of %d bytes", name, took, head.Memory)
		if err != nil || int64(took) > head.Memory {
			t.Errorf("%s: %d bytes, said were %d (%v)", name, took, head.Memory, err)
		}
	}
}

// TestScaledAsTheLibraryDoes: the rows made one by one are those of draw.CatmullRom.
func TestScaledAsTheLibraryDoes(t *testing.T) {
	src := photo(1500, 1100)
	want := image.NewRGBA(image.Rect(0, 0, picture.Small, 469))
	xdraw.CatmullRom.Scale(want, want.Rect, src, src.Rect, draw.Src, nil)
	got := picture.Scale(src, picture.Small, 469)
	for i := range want.Pix {
		if far(got.Pix[i], want.Pix[i]) > 2 {
			t.Fatalf("at %d: %d, the library says %d", i, got.Pix[i], want.Pix[i])
		}
	}
}

// FuzzMake: whatever is read, it is refused or becomes two files of the right size, within the memory that was said.
func FuzzMake(f *testing.F) {
	small := photo(40, 30)
	f.Add(asJPEG(f, small))
	f.Add(into(asJPEG(f, small), exif(6)))
	f.Add(asPNG(f, small))
	f.Add(bomb(100, 100, 6))
	f.Add([]byte("GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff," +
		"\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02\x02\x84Q\x00;"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := bytes.NewReader(file)
		h, err := picture.Look(r)
		if err != nil || h.Pixels() > 1<<20 {
			return
		}
		m, err := picture.Make(r, h, goOn)
		if err != nil {
			if !errors.Is(err, picture.ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		full, _, err := image.DecodeConfig(bytes.NewReader(m.Full))
		if err != nil || full.Width != m.Width || full.Height != m.Height || max(m.Width, m.Height) > picture.Full {
			t.Errorf("%d x %d, the file has %+v (%v)", m.Width, m.Height, full, err)
		}
	})
}
