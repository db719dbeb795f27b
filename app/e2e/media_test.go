package e2e_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// tinyPicture is a PNG of some pixels.
func tinyPicture(t testing.TB) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 24, 16))
	m.SetGray(3, 3, color.Gray{Y: 200})
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pictureForm is the form of an upload, with fields behind the file: their names and values in turn.
func pictureForm(t testing.TB, file []byte, fields ...string) (kind string, form []byte) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("file", "picture.png")
	if err == nil {
		_, err = part.Write(file)
	}
	for i := 0; err == nil && i+1 < len(fields); i += 2 {
		err = w.WriteField(fields[i], fields[i+1])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), out.Bytes()
}

// picture sends one and returns it.
func (p *person) picture(alt string) (m social.Media) {
	p.site.t.Helper()
	kind, form := pictureForm(p.site.t, tinyPicture(p.site.t), "alt", alt)
	p.want(201, "POST", "/v1/media", form, &m, "Content-Type: "+kind)
	return m
}
