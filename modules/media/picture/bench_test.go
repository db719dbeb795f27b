package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"

	"github.com/belfry-social/belfry/modules/media/picture"
)

// photo draws something that compresses as a photo does: waves of several lengths and some grain.
func photo(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	noise := uint32(1)
	for y := range h {
		for x := range w {
			noise = noise*1664525 + 1013904223
			wave := math.Sin(float64(x)/97) + math.Sin(float64(y)/61) + math.Sin(float64(x+y)/23)/2
			v := 128 + 40*wave + float64(noise>>28)
			m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v * 0.8), uint8(255 - v), 255})
		}
	}
	return m
}

func asJPEG(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkMake is a photo of 12 megapixels.
func BenchmarkMake(b *testing.B) {
	file := asJPEG(b, photo(4000, 3000))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		r := bytes.NewReader(file)
		h, err := picture.Look(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := picture.Make(r, h, goOn); err != nil {
			b.Fatal(err)
		}
	}
}
