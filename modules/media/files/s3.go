package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// S3 is a Store in a bucket, which has to be there. What is put is whole or not there: the protocol promises it.
type S3 struct {
	client *minio.Client
	bucket string
	prefix string

	patience time.Duration
}

var _ Store = (*S3)(nil)

// Bucket says where a bucket is, and who may use it.
type Bucket struct {
	Endpoint, Bucket, Prefix, Region string
	AccessKey, SecretKey             string
	Insecure                         bool
	Transport                        http.RoundTripper // nil = minio's own
	Patience                         time.Duration     // with one request, and with each part of an answer; 0 = 10s
}

// BucketName reports whether a bucket can have that name.
func BucketName(name string) bool { return s3utils.CheckValidBucketName(name) == nil }

const s3Patience = 10 * time.Second

// NewS3 asks nothing yet.
func NewS3(b Bucket) (*S3, error) {
	client, err := minio.New(b.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(b.AccessKey, b.SecretKey, ""),
		Secure: !b.Insecure, Region: b.Region, Transport: b.Transport, BucketLookup: minio.BucketLookupAuto,
		MaxRetries: 2})
	if err != nil {
		return nil, fmt.Errorf("media: s3: %w", err)
	}
	return &S3{client: client, bucket: b.Bucket, prefix: b.Prefix, patience: cmp.Or(b.Patience, s3Patience)}, nil
}

func (s *S3) Put(ctx context.Context, name string, content []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
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
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(s.patience, cancel)
	defer late.Stop()
	object, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		cancel()
		return nil, 0, s.named("get", err)
	}
	info, err := object.Stat()
	if err != nil {
		cancel()
		_ = object.Close()
		return nil, 0, s.named("get", err)
	}
	return &fetched{s, object, cancel}, info.Size, nil
}

// fetched is a file on its way. It ends when nothing of it comes any more.
type fetched struct {
	from   *S3
	object *minio.Object
	cancel context.CancelFunc
}

func (f *fetched) Read(b []byte) (int, error) {
	late := time.AfterFunc(f.from.patience, f.cancel)
	defer late.Stop()
	n, err := f.object.Read(b)
	if errors.Is(err, io.EOF) {
		return n, err
	}
	return n, f.from.named("get", err)
}

func (f *fetched) Close() error {
	f.cancel()
	_ = f.object.Close() // which tells of the end that was just made
	return nil
}

func (s *S3) Remove(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.remove(ctx, name); err != nil && !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	return nil
}

func (s *S3) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return s.named("remove", s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
}

func (s *S3) List(ctx context.Context, each func(Entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	listing, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(s.patience, cancel)
	defer late.Stop()
	all := minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}
	for o := range s.client.ListObjectsIter(listing, s.bucket, all) {
		late.Reset(s.patience)
		if o.Err != nil {
			return s.named("list", o.Err)
		}
		e := Entry{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size, Written: o.LastModified}
		if err := each(e); err != nil {
			return err
		}
	}
	if ctx.Err() == nil && listing.Err() != nil {
		return s.named("list", listing.Err())
	}
	return ctx.Err()
}

// named tells what was done, and knows an object that is not there from all else. The keys are in no error.
func (s *S3) named(what string, err error) error {
	if err == nil {
		return nil
	}
	var said minio.ErrorResponse
	answered := errors.As(err, &said) && said.StatusCode > 0
	switch {
	case answered && said.Code == minio.NoSuchKey:
		return ErrAbsent
	case !answered || said.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: s3: %s in %s: %w", ErrAway, what, s.bucket, err)
	}
	return fmt.Errorf("media: s3: %s in %s: %w", what, s.bucket, err)
}
