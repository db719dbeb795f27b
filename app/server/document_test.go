package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// The document adds schemas to those by which requests are checked: it is made before anybody is served. The race
// detector sees the difference.
func TestDocumentBesideRequests(t *testing.T) {
	s := newSite(t)
	type input struct {
		Body struct {
			Name string `json:"name" maxLength:"9"`
		}
	}
	s.Register(func(api huma.API) {
		huma.Register(api, huma.Operation{OperationID: "make", Method: http.MethodPost, Path: "/v1/made",
			Metadata: map[string]any{social.MetaAuth: social.AuthNone,
				social.MetaEvents: map[string]any{"thing.made": struct{ A string }{}}}},
			func(context.Context, *input) (*struct{}, error) { return nil, nil })
	})
	base := "http://" + s.serve()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			method, path, body := http.MethodPost, "/v1/made", `{"name":"one"}`
			if i%4 == 3 {
				method, path, body = http.MethodGet, "/openapi.json", ""
			}
			req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Host = "social.example"
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if out, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
				t.Errorf("%s: %d %s %v", path, resp.StatusCode, out, err)
			}
		})
	}
	all.Wait()
}
