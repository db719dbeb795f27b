package files_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/belfry-social/belfry/modules/media/files"
)

// bucket is a store that speaks the protocol, on this machine.
func bucket(t *testing.T) files.Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	return files.Bucket{Endpoint: strings.TrimPrefix(srv.URL, "http://"), Bucket: "pictures", Prefix: "site/",
		Region: "us-east-1", AccessKey: "key", SecretKey: "canary-of-the-secret", Insecure: true}
}

func TestS3(t *testing.T) {
	b := bucket(t)
	contract(t, func() files.Store {
		s, err := files.NewS3(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestS3Errors: what is wrong is named, and is not taken for a file that is not there; no key is in it.
func TestS3Errors(t *testing.T) {
	b := bucket(t)
	b.Bucket = "nowhere"
	s, err := files.NewS3(b)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Put(t.Context(), "ab-full.jpg", []byte("x"))
	if err == nil || !strings.Contains(err.Error(), "nowhere") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	if _, err := files.NewS3(files.Bucket{Endpoint: "http://a/b"}); err == nil {
		t.Error("an endpoint with a scheme was taken")
	}
}

// TestS3Silent: a store that takes a request and says nothing, or not all of it, is given up, and holds nothing.
func TestS3Silent(t *testing.T) {
	const patience = 50 * time.Millisecond
	ended := make(chan string, 20)
	begin := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if begin {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Last-Modified", "Sat, 28 Nov 2026 12:00:00 GMT")
			if r.Method == http.MethodHead {
				return
			}
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
		} else {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		<-r.Context().Done()
		ended <- r.Method
	}))
	defer srv.Close()
	s, err := files.NewS3(files.Bucket{Endpoint: strings.TrimPrefix(srv.URL, "http://"), Bucket: "pictures",
		Region: "us-east-1", AccessKey: "key", SecretKey: "canary", Insecure: true, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"open":   func() error { _, _, err := s.Open(t.Context(), "ab-full.jpg"); return err },
		"put":    func() error { return s.Put(t.Context(), "ab-full.jpg", []byte("x")) },
		"remove": func() error { return s.Remove(t.Context(), "ab-full.jpg") },
		"list":   func() error { return s.List(t.Context(), func(files.Entry) error { return nil }) },
	} {
		if err := ask(); !errors.Is(err, files.ErrAway) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		<-ended
	}
	begin = true
	f, size, err := s.Open(t.Context(), "ab-full.jpg")
	if err != nil || size != 100 {
		t.Fatalf("%d, %v", size, err)
	}
	if b, err := io.ReadAll(f); string(b) != "hello" || !errors.Is(err, files.ErrAway) {
		t.Errorf("%q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	srv.CloseClientConnections()
	srv.Close()
	if _, _, err := s.Open(t.Context(), "ab-full.jpg"); !errors.Is(err, files.ErrAway) {
		t.Errorf("nobody is there: %v", err)
	}
}
