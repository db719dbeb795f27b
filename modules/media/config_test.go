package media_test

import (
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/media"
)

// TestBucketName: what no store takes is refused at the start, and not at the first picture.
func TestBucketName(t *testing.T) {
	for name, ok := range map[string]bool{"pictures": true, "my.pictures-1": true, "b": false, "": false, "a/b": false,
		"-a-": false} {
		c := media.DefaultConfig()
		c.Store = "s3"
		c.S3 = media.S3{Endpoint: "s3.example", Bucket: name, AccessKey: "k", SecretKey: "s"}
		if err := c.Validate(); (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "s3.bucket:") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
