package media

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

type uploadInput struct {
	Key string `header:"Idempotency-Key" maxLength:"255"`
}

type uploadOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     social.Media
}

type updateInput struct {
	ID   string `path:"id"`
	Body struct {
		Alt   change[string]       `json:"alt" required:"false" doc:"At most 1500 characters; null or empty takes it away."`
		Focus change[social.Focus] `json:"focus" required:"false" doc:"null = the middle."`
	}
}

// change is one field of a merge; nil = as it was. null gives the zero value.
type change[T any] struct{ to *T }

// UnmarshalJSON is called for a field that is there, null too.
func (c *change[T]) UnmarshalJSON(b []byte) error {
	c.to = new(T)
	return json.Unmarshal(b, c.to)
}

// Schema is the value's own, or null.
func (change[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[*T]())
}

type mediaOutput = social.Answer[social.Media]

const uploadPath = "/v1/media"

func (s *Service) Routes(api huma.API) {
	const ok, created, empty = http.StatusOK, http.StatusCreated, http.StatusNoContent
	op := func(id, method, path, summary string, status int, meta map[string]any, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"media"},
			DefaultStatus: status, Metadata: meta, Errors: errs}
	}
	write := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWritePosts)}
	described := map[string]any{social.MetaAuth: write[social.MetaAuth], social.MetaETag: "strong"}
	upload := op("upload-media", http.MethodPost, uploadPath, "Send a picture", created, map[string]any{
		social.MetaAuth: write[social.MetaAuth], social.MetaLimit: social.BudgetMedia,
		social.MetaUpload: social.UploadForm{File: "file", Doc: "A JPEG, PNG, GIF or WebP.",
			Fields: map[string]social.UploadField{
				"alt":   {Max: 4 * MaxAlt, Doc: "What it shows, at most 1500 characters."},
				"focus": {Max: 64, Doc: "x,y from -1 to 1: what is to stay in sight when it is cropped."}},
			MaxBytes: int64(s.cfg.MaxBytes), AtOnce: s.cfg.Uploads, PerPerson: s.cfg.PersonUploads}},
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	upload.Description = "Metadata are dropped, the orientation is applied; of a moving GIF the first picture counts. " +
		"202 with the state `processing` when it takes longer than two seconds: ask again with `GET /v1/media/{id}`. " +
		"A picture that nothing uses goes after 24 hours. A token needs the scope `write:posts`."
	upload.Responses = map[string]*huma.Response{"202": {Description: "It is in work.",
		Content: map[string]*huma.MediaType{"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(
			reflect.TypeFor[social.Media](), true, "Media")}}}}
	huma.Register(api, upload, s.upload)
	huma.Register(api, op("get-media", http.MethodGet, "/v1/media/{id}", "A picture of one's own", ok, map[string]any{
		social.MetaAuth: social.AuthScope(social.ScopeRead), social.MetaETag: "strong"}, http.StatusNotFound), s.get)
	huma.Register(api, op("update-media", http.MethodPatch, "/v1/media/{id}", "Say what a picture shows", ok, described,
		http.StatusNotFound, http.StatusUnprocessableEntity), s.update)
	huma.Register(api, op("delete-media", http.MethodDelete, "/v1/media/{id}", "Delete a picture that nothing uses",
		empty, write, http.StatusNotFound, http.StatusConflict), s.delete)
}

func (s *Service) upload(ctx context.Context, in *uploadInput) (*uploadOutput, error) {
	u := social.UploadFrom(ctx)
	d, bad := draftOf(u.Fields)
	if len(bad) > 0 {
		return nil, social.Invalid(bad...)
	}
	actor := social.ActorFrom(ctx)
	once := storage.NewOnce(actor, s.clock.Now(), "POST "+uploadPath, in.Key, u.Sum)
	m, err := s.Upload(ctx, actor, d, u, once)
	if err != nil {
		return nil, err
	}
	out := &uploadOutput{Status: http.StatusCreated, Location: uploadPath + "/" + m.ID.String(), Replayed: once.Header(),
		Body: m}
	if m.State == social.MediaProcessing {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

// draftOf reads the plain fields of the form.
func draftOf(fields map[string]string) (d Draft, bad []social.Field) {
	d.Alt = fields["alt"]
	bad = checkAlt("form", d.Alt)
	if text := fields["focus"]; text != "" {
		x, y, both := strings.Cut(text, ",")
		var okX, okY bool
		d.Focus.X, okX = number(x)
		d.Focus.Y, okY = number(y)
		if !both || !okX || !okY || !inPicture(d.Focus) {
			bad = append(bad, social.Field{In: "form", Pointer: "/focus", Code: social.FieldBadFormat, Detail: focusForm})
		}
	}
	return d, bad
}

func number(text string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v, err == nil && !math.IsNaN(v)
}

func (s *Service) get(ctx context.Context, in *social.IDPath) (*mediaOutput, error) {
	return social.Answered(s.Get(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID)))
}

func (s *Service) update(ctx context.Context, in *updateInput) (*mediaOutput, error) {
	c := Change{Alt: in.Body.Alt.to, Focus: in.Body.Focus.to}
	return social.Answered(s.Update(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), c))
}

func (s *Service) delete(ctx context.Context, in *social.IDPath) (*struct{}, error) {
	return nil, s.Delete(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID))
}
