package media

import (
	"errors"

	"github.com/belfry-social/belfry/modules/media/files"
	"github.com/belfry-social/belfry/modules/social"
)

// Config is the section "media".
type Config struct {
	Dir       string      `yaml:"dir"`   // empty: belfry.media in the data directory
	Store     string      `yaml:"store"` // dir, s3
	S3        S3          `yaml:"s3"`
	MaxBytes  social.Size `yaml:"max_bytes"`  // of what is sent
	MaxPixels int         `yaml:"max_pixels"` // likewise
	// Uploads is how many are received and worked on at once; PersonUploads, how many of them are one person's.
	Uploads       int `yaml:"uploads"`
	PersonUploads int `yaml:"person_uploads"`
	// DecodeMemory is what the pictures that are decoded at once take together; one that takes more is refused.
	DecodeMemory int `yaml:"decode_memory"` // bytes
	Decodes      int `yaml:"decodes"`       // at once; 0 = one for two cores
}

// S3 says where the bucket is.
type S3 struct {
	Endpoint  string        `yaml:"endpoint"` // host, perhaps a port
	Bucket    string        `yaml:"bucket"`
	Prefix    string        `yaml:"prefix"` // before the name of each file
	Region    string        `yaml:"region"`
	AccessKey string        `yaml:"access_key"`
	SecretKey social.Secret `yaml:"secret_key"`
	Insecure  bool          `yaml:"insecure"` // http
}

func DefaultConfig() Config {
	return Config{Store: "dir", MaxBytes: 16 << 20, MaxPixels: 40_000_000, Uploads: 128, PersonUploads: 16,
		DecodeMemory: 256 << 20}
}

func (c Config) Validate() error {
	for _, rule := range []struct {
		holds bool
		says  string
	}{
		{c.Store == "dir" || c.Store == "s3", "store: must be one of dir, s3"},
		{c.Store != "s3" || c.S3.Endpoint != "", "s3.endpoint: must name the host"},
		{c.Store != "s3" || files.BucketName(c.S3.Bucket),
			"s3.bucket: must name the bucket: 3 to 63 letters, digits, dots and hyphens"},
		{c.Store != "s3" || c.S3.AccessKey != "" && c.S3.SecretKey != "", "s3.access_key: must come with s3.secret_key"},
		{c.MaxBytes >= 64<<10 && c.MaxBytes <= 1<<30, "max_bytes: must be 64KiB to 1GiB"},
		{c.MaxPixels >= 1 && c.MaxPixels <= 1_000_000_000, "max_pixels: must be 1 to 1000000000"},
		{c.Uploads >= 1 && c.Uploads <= 10_000, "uploads: must be 1 to 10000"},
		{c.PersonUploads >= 1 && c.PersonUploads <= c.Uploads, "person_uploads: must be 1 to uploads"},
		{c.DecodeMemory >= 1, "decode_memory: must be more than 0"},
		{c.Decodes >= 0, "decodes: must not be negative; 0 = one for two cores"},
	} {
		if !rule.holds {
			return errors.New(rule.says)
		}
	}
	return nil
}

// open opens the place that is named. A directory is used by whoever holds the lock of the data directory.
func (c Config) open() (files.Store, error) {
	if c.Store != "s3" {
		return files.OpenDir(c.Dir)
	}
	return files.NewS3(files.Bucket{Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, Region: c.S3.Region,
		AccessKey: c.S3.AccessKey, SecretKey: c.S3.SecretKey.Reveal(), Insecure: c.S3.Insecure})
}
