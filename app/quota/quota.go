// Package quota bounds what one account makes the stores keep: bytes and rows, in an hour and in a day, and no more
// than there is room for on the disk.
//
// The server asks at the door whether an account may write; the transaction tells afterwards what it wrote. So an
// account passes a bound by what it had under way at most, and never half way through an act. What a request deletes is
// not asked about and not counted. Counters are kept in memory, per node, and start anew with the process, as the rates
// of requests do.
package quota

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Quota counts what accounts write. Safe for concurrent use.
type Quota struct {
	cfg      Config
	clock    social.Clock
	begun    time.Time // moments are kept as time since then, which a clock that is set does not change
	bounds   []bound
	services []bound
	accounts *storage.Cache[social.ID, spent]
	free     func() (bytes uint64, known bool)
	looked   atomic.Int64 // when the disk was last looked at, since begun; 0 = never
	low      atomic.Bool
	metrics  metrics
}

// bound is one quota: how much of what in how long.
type bound struct {
	name  string // of the policy in the headers of the answer
	count int64
	per   time.Duration
	of    func(Cost) int64
}

// spent holds for each bound when the whole of it will be back (the generic cell rate algorithm), since begun. The last
// place is that of pictures.
type spent [5]time.Duration

const mediaPlace = len(spent{}) - 1

// maxAccounts is how many accounts are counted, in about 30 MB; beyond it any are forgotten, so that as many accounts
// have to write within a day to get one counter lost.
const maxAccounts = 250_000

// Names of the policies.
const (
	BytesPerHour       = "bytes_per_hour"
	BytesPerDay        = "bytes_per_day"
	RowsPerHour        = "rows_per_hour"
	RowsPerDay         = "rows_per_day"
	ServiceBytesPerDay = "service_bytes_per_day"
	MediaBytesPerDay   = "media_bytes_per_day"
)

const day = 24 * time.Hour

// Log is how much of the event log is kept; zero = without a bound.
type Log struct {
	Bytes social.Size
	Age   time.Duration
}

// New makes a quota. free tells what is left on the disk; nil, or not known, counts as room.
func New(cfg Config, log Log, clock social.Clock, free func() (uint64, bool), metrics prometheus.Registerer) *Quota {
	q := &Quota{cfg: cfg, clock: clock, begun: clock(), free: free,
		accounts: storage.NewCache[social.ID, spent](maxAccounts, nil)}
	add := func(to *[]bound, name string, count int64, per time.Duration, of func(Cost) int64) {
		if count > 0 {
			*to = append(*to, bound{name, count, per, of})
		}
	}
	bytes := func(c Cost) int64 { return c.Bytes }
	rows := func(c Cost) int64 { return c.Rows }
	add(&q.bounds, BytesPerHour, int64(cfg.BytesPerHour), time.Hour, bytes)
	add(&q.bounds, BytesPerDay, cfg.bytesPerDay(log), day, bytes)
	add(&q.bounds, RowsPerHour, int64(cfg.RowsPerHour), time.Hour, rows)
	add(&q.bounds, RowsPerDay, int64(cfg.RowsPerDay), day, rows)
	add(&q.services, ServiceBytesPerDay, int64(cfg.ServiceBytesPerDay), day, bytes)
	q.metrics = newMetrics(metrics, q.accounts.Len)
	return q
}

// bytesPerDay is the smaller of the bound by day and of what the share of the log comes to in a day. Where the log is
// bounded by its size alone, a month stands for its age.
func (c Config) bytesPerDay(log Log) int64 {
	perDay := int64(c.BytesPerDay)
	if c.LogShare == 0 || log.Bytes == 0 {
		return perDay
	}
	age := log.Age
	if age == 0 {
		age = 30 * day
	}
	share := max(leastBytes, int64(c.LogShare*float64(log.Bytes)*float64(day)/float64(max(age, day))))
	if perDay == 0 {
		return share
	}
	return min(perDay, share)
}

// Exceeded is a quota of which nothing is left.
type Exceeded struct {
	Policy string
	Count  int64 // in Per
	Per    time.Duration
	Retry  time.Duration // until something is left; above 0
}

// Ask tells whether an actor may write: nil, or the quota that is used up for longest. Nobody, signed in, is not
// counted.
func (q *Quota) Ask(a social.Actor) *Exceeded {
	id, bounds, share := q.of(a)
	if id.IsZero() {
		return nil
	}
	s, ok := q.accounts.Get(id)
	if !ok {
		return nil
	}
	var out *Exceeded
	now := q.now()
	for i, b := range bounds {
		over := s[i] - now - b.per
		if over > 0 && (out == nil || over > out.Retry) {
			out = &Exceeded{Policy: b.name, Count: int64(float64(b.count) * share), Per: b.per, Retry: over}
		}
	}
	if out != nil {
		q.metrics.refused.WithLabelValues(out.Policy).Inc()
	}
	return out
}

// of gives what is counted for an actor: the account, its bounds, and its share of them.
func (q *Quota) of(a social.Actor) (id social.ID, bounds []bound, share float64) {
	switch {
	case !a.ServiceID.IsZero():
		return a.ServiceID, q.services, 1
	case a.JoinedAt.Add(q.cfg.NewAccount.For) > q.clock.Now():
		return a.UserID, q.bounds, q.cfg.NewAccount.Share
	}
	return a.UserID, q.bounds, 1
}

type payerKey struct{}

// With puts into ctx who pays for what is written under it.
func With(ctx context.Context, a social.Actor) context.Context {
	return context.WithValue(ctx, payerKey{}, a)
}

// InTx is db's, and charges what fn wrote to who pays for it in ctx, if anybody does and the transaction stands.
func (q *Quota) InTx(ctx context.Context, db storage.DB, fn func(tx storage.Tx) error) error {
	payer, ok := ctx.Value(payerKey{}).(social.Actor)
	if !ok {
		return db.InTx(ctx, fn)
	}
	var m *meter
	err := db.InTx(ctx, func(tx storage.Tx) error {
		m = &meter{Tx: tx}
		return fn(m)
	})
	if err == nil {
		q.charge(payer, m.cost)
	}
	return err
}

func (q *Quota) charge(a social.Actor, cost Cost) {
	q.metrics.rows.Add(float64(cost.Rows))
	q.metrics.bytes.Add(float64(cost.Bytes))
	id, bounds, share := q.of(a)
	if id.IsZero() || len(bounds) == 0 {
		return
	}
	now := q.now()
	q.accounts.Update(id, func(s spent, _ bool) (spent, bool) {
		for i, b := range bounds {
			part := float64(b.of(cost)) / (float64(b.count) * share)
			s[i] = max(s[i], now) + time.Duration(math.Ceil(part*float64(b.per)))
		}
		return s, true
	})
}

// SpendFile charges bytes of a file to who pays in ctx, or gives the fault rate_limited when nothing is left of the
// bound, and charges nothing then. So an account passes the bound by one file at most.
func (q *Quota) SpendFile(ctx context.Context, bytes int64) error {
	a, ok := ctx.Value(payerKey{}).(social.Actor)
	if !ok || q.cfg.MediaBytesPerDay == 0 {
		return nil
	}
	id, _, share := q.of(a)
	if id.IsZero() {
		return nil
	}
	now := q.now()
	over := time.Duration(0)
	q.accounts.Update(id, func(s spent, _ bool) (spent, bool) {
		over = s[mediaPlace] - now - day
		part := float64(bytes) / (float64(q.cfg.MediaBytesPerDay) * share)
		s[mediaPlace] = max(s[mediaPlace], now) + time.Duration(math.Ceil(part*float64(day)))
		return s, over <= 0
	})
	if over <= 0 {
		return nil
	}
	q.metrics.refused.WithLabelValues(MediaBytesPerDay).Inc()
	return &social.Fault{Code: social.CodeRateLimited, RetryAfter: over,
		Detail: "You have sent as many pictures as one account may in a day."}
}

func (q *Quota) now() time.Duration { return q.clock().Sub(q.begun) }

// lookEvery is how often the disk is looked at: what is written meanwhile is far below a reserve.
const lookEvery = 100 * time.Millisecond

// Room reports whether the disk has more room than its reserve. It asks the system ten times a second at most.
func (q *Quota) Room() bool {
	if q.free == nil || q.cfg.DiskReserve == 0 {
		return true
	}
	now, last := max(1, int64(q.now())), q.looked.Load()
	if (last == 0 || now-last >= int64(lookEvery)) && q.looked.CompareAndSwap(last, now) {
		bytes, known := q.free()
		q.low.Store(known && bytes < uint64(q.cfg.DiskReserve)) //nolint:gosec // a size is never negative
	}
	return !q.low.Load()
}

// RoomFor reports whether the disk will have more room than its reserve when so many bytes have come. It asks the
// system each time.
func (q *Quota) RoomFor(bytes int64) bool {
	if q.free == nil || q.cfg.DiskReserve == 0 {
		return true
	}
	free, known := q.free()
	return !known || free >= uint64(q.cfg.DiskReserve)+uint64(bytes) //nolint:gosec // sizes are never negative
}

// Refuse is the answer to a write that the reserve is not for.
func (q *Quota) Refuse() error {
	q.metrics.refused.WithLabelValues("disk_reserve").Inc()
	return social.NewFault(social.CodeStorageFull,
		"The disk is nearly full. Reading, deleting and signing in go on; the operator has to make room.")
}
