package files_test

import (
	"net/http/httptest"
	"strings"
	"testing"

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
