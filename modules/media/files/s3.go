package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 is a Store in a bucket, which has to be there. What is put is whole or not there: the protocol promises it.
type S3 struct {
	client *minio.Client
	bucket string
	prefix string
}

var _ Store = (*S3)(nil)

// Bucket says where a bucket is, and who may use it.
type Bucket struct {
	Endpoint, Bucket, Prefix, Region string
	AccessKey, SecretKey             string
	Insecure                         bool
	Transport                        http.RoundTripper // nil = minio's own
}

// s3Patience bounds one request.
const s3Patience = 30 * time.Second

// NewS3 asks nothing yet.
func NewS3(b Bucket) (*S3, error) {
	client, err := minio.New(b.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(b.AccessKey, b.SecretKey, ""),
		Secure: !b.Insecure, Region: b.Region, Transport: b.Transport, BucketLookup: minio.BucketLookupAuto})
	if err != nil {
		return nil, fmt.Errorf("media: s3: %w", err)
	}
	return &S3{client: client, bucket: b.Bucket, prefix: b.Prefix}, nil
}

func (s *S3) Put(ctx context.Context, name string, content []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s3Patience)
	defer cancel()
	_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{ContentType: typeOf(name), DisableMultipart: true})
	return s.named("put", err)
}

// typeOf is for people who look into the bucket; what is served says it by the row.
func typeOf(name string) string {
	if strings.HasSuffix(name, ".png") {
		return "image/png"
	}
	return "image/jpeg"
}

func (s *S3) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	object, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, 0, s.named("get", err)
	}
	info, err := object.Stat()
	if err != nil {
		_ = object.Close()
		return nil, 0, s.named("get", err)
	}
	return object, info.Size, nil
}

func (s *S3) Remove(ctx context.Context, names ...string) error {
	for _, name := range names {
		err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
		if err = s.named("remove", err); err != nil && !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	return nil
}

func (s *S3) List(ctx context.Context, each func(Entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	listing, cancel := context.WithCancel(ctx) // ends the goroutine of the list
	defer cancel()
	for o := range s.client.ListObjects(listing, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return s.named("list", o.Err)
		}
		e := Entry{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size, Written: o.LastModified}
		if err := each(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// named tells what was done, and knows an object that is not there from all else. The keys are in no error.
func (s *S3) named(what string, err error) error {
	if err == nil {
		return nil
	}
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return ErrAbsent
	}
	return fmt.Errorf("media: s3: %s in %s: %w", what, s.bucket, err)
}
