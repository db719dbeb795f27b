package quota

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// Config is the section "quota". A bound of 0 is none.
type Config struct {
	BytesPerHour social.Size `yaml:"bytes_per_hour"`
	BytesPerDay  social.Size `yaml:"bytes_per_day"`
	RowsPerHour  int         `yaml:"rows_per_hour"`
	RowsPerDay   int         `yaml:"rows_per_day"`
	// LogShare is the part of storage.log.retention.bytes that one account may fill within its retention.age: where it
	// comes to less than BytesPerDay, it holds.
	LogShare   float64    `yaml:"log_share"`
	NewAccount NewAccount `yaml:"new_account"`
	// MediaBytesPerDay is for pictures as they are sent, which the other bounds do not count.
	MediaBytesPerDay social.Size `yaml:"media_bytes_per_day"`
	// ServiceBytesPerDay is for one service token, which has no other bound here.
	ServiceBytesPerDay social.Size `yaml:"service_bytes_per_day"`
	// DiskReserve is the room on the disk that is left to deletions, sign-ins, moderation and the server itself.
	DiskReserve social.Size `yaml:"disk_reserve"`
}

// NewAccount is what holds for young accounts, of which anybody makes many.
type NewAccount struct {
	For   time.Duration `yaml:"for"`   // since the account was made; 0 = no account is young
	Share float64       `yaml:"share"` // of every bound
}

// DefaultConfig lets one account fill 3 % of a log of 8 GiB in 30 days.
func DefaultConfig() Config {
	return Config{BytesPerHour: 4 << 20, BytesPerDay: 8 << 20, RowsPerHour: 10_000, RowsPerDay: 40_000, LogShare: 0.05,
		NewAccount: NewAccount{For: 72 * time.Hour, Share: 0.25}, ServiceBytesPerDay: 4 << 30, DiskReserve: 16 << 20,
		MediaBytesPerDay: 512 << 20}
}

// leastBytes is a bound that one post of the greatest length with 50 mentions fits into.
const leastBytes = 256 << 10

// leastRows likewise.
const leastRows = 500

// Validate refuses bounds that a single request could pass.
func (c Config) Validate() error {
	var errs []error
	for key, v := range map[string]int64{"bytes_per_hour": int64(c.BytesPerHour), "bytes_per_day": int64(c.BytesPerDay),
		"media_bytes_per_day":   int64(c.MediaBytesPerDay),
		"service_bytes_per_day": int64(c.ServiceBytesPerDay)} {
		if v != 0 && v < leastBytes {
			errs = append(errs, fmt.Errorf("%s: must be 0 (no bound) or at least 256KiB", key))
		}
	}
	for key, v := range map[string]int{"rows_per_hour": c.RowsPerHour, "rows_per_day": c.RowsPerDay} {
		if v != 0 && v < leastRows {
			errs = append(errs, fmt.Errorf("%s: must be 0 (no bound) or at least %d", key, leastRows))
		}
	}
	if !(c.LogShare >= 0 && c.LogShare <= 1) {
		errs = append(errs, errors.New("log_share: must be 0 (no bound) to 1"))
	}
	if c.NewAccount.For < 0 {
		errs = append(errs, errors.New("new_account.for: must not be negative; 0 makes no account young"))
	}
	if !(c.NewAccount.Share > 0 && c.NewAccount.Share <= 1) {
		errs = append(errs, errors.New("new_account.share: must be above 0 and at most 1"))
	}
	return errors.Join(errs...)
}
