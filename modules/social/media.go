package social

import (
	"context"
	"io"
	"strconv"
)

// States of a picture.
const (
	MediaProcessing = "processing"
	MediaReady      = "ready"
	MediaFailed     = "failed"
)

// Media is a picture as people see it. URLs and what only the picture itself tells are null unless it is ready.
type Media struct {
	ID         ID      `json:"id"`
	Kind       string  `json:"kind" enum:"image"`
	State      string  `json:"state" enum:"processing,ready,failed"`
	MIME       string  `json:"mime" doc:"Of the file behind url."`
	Bytes      int64   `json:"bytes" doc:"Of the file behind url."`
	Width      int     `json:"width"`
	Height     int     `json:"height"`
	URL        *string `json:"url" doc:"At most 2048 pixels on the longer side. Its address is the permission to read it."`
	PreviewURL *string `json:"preview_url" doc:"At most 640 pixels on the longer side."`
	Blurhash   *string `json:"blurhash"`
	Alt        string  `json:"alt" doc:"What it shows, for people who do not see it; empty when nobody said."`
	Focus      Focus   `json:"focus" doc:"What is to stay in sight when it is cropped."`
	CreatedAt  Time    `json:"created_at"`
}

// Focus is a place in a picture: 0 is its middle, -1 the left or lower edge, 1 the right or upper one.
type Focus struct {
	X float64 `json:"x" minimum:"-1" maximum:"1"`
	Y float64 `json:"y" minimum:"-1" maximum:"1"`
}

// AppendJSONMedia appends pictures byte for byte as encoding/json writes them.
func AppendJSONMedia(b []byte, list []Media) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = list[i].appendJSON(b)
	}
	return append(b, ']')
}

func (m *Media) appendJSON(b []byte) []byte {
	b = AppendJSONID(append(b, `{"id":`...), m.ID)
	b = AppendJSONText(append(b, `,"kind":`...), m.Kind)
	b = AppendJSONText(append(b, `,"state":`...), m.State)
	b = AppendJSONText(append(b, `,"mime":`...), m.MIME)
	b = strconv.AppendInt(append(b, `,"bytes":`...), m.Bytes, 10)
	b = strconv.AppendInt(append(b, `,"width":`...), int64(m.Width), 10)
	b = strconv.AppendInt(append(b, `,"height":`...), int64(m.Height), 10)
	b = AppendJSONOptional(append(b, `,"url":`...), m.URL)
	b = AppendJSONOptional(append(b, `,"preview_url":`...), m.PreviewURL)
	b = AppendJSONOptional(append(b, `,"blurhash":`...), m.Blurhash)
	b = AppendJSONText(append(b, `,"alt":`...), m.Alt)
	b = appendJSONPart(append(b, `,"focus":{"x":`...), m.Focus.X)
	b = appendJSONPart(append(b, `,"y":`...), m.Focus.Y)
	return append(AppendJSONTime(append(b, `},"created_at":`...), &m.CreatedAt), '}')
}

// appendJSONPart appends a number that is within -1 and 1 and kept to four decimals.
func appendJSONPart(b []byte, v float64) []byte {
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// MediaFile is a picture's file, open for whoever knows its address. The reader closes Body.
type MediaFile struct {
	Body io.ReadCloser
	Size int64
	MIME string
}

// MetaUpload in the metadata of an operation is an UploadForm: the host receives the multipart form, keeps its file on
// disk, and gives it to the handler by UploadFrom. Nothing else in the program takes a form.
const MetaUpload = "upload"

// UploadForm says what an operation receives.
type UploadForm struct {
	File      string // name of the part that is the file; required
	Doc       string // of the file
	Fields    map[string]UploadField
	MaxBytes  int64 // of the file
	AtOnce    int   // uploads received and worked on at once; one more is refused with overloaded
	PerPerson int   // likewise of one person
}

// UploadField is a part that is text.
type UploadField struct {
	Max int // bytes
	Doc string
}

// Upload is a form that was received.
type Upload struct {
	File   UploadFile // at its beginning
	Size   int64
	Fields map[string]string
	Sum    []byte // tells this form from another one
}

// UploadFile is the file of a form. The host closes it after the handler unless it was kept.
type UploadFile interface {
	io.ReadSeekCloser
	// Keep leaves closing to the caller.
	Keep()
}

type uploadKey struct{}

// WithUpload puts a form into ctx.
func WithUpload(ctx context.Context, u *Upload) context.Context {
	return context.WithValue(ctx, uploadKey{}, u)
}

// UploadFrom gives the form of an operation with MetaUpload; nil in any other.
func UploadFrom(ctx context.Context) *Upload {
	u, _ := ctx.Value(uploadKey{}).(*Upload)
	return u
}
