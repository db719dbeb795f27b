package quota_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var things = storage.Migrations{Owner: "things", FS: fstest.MapFS{
	"sqlite/0001_things.up.sql": {Data: []byte(`CREATE TABLE things (text TEXT)`)}}}

// world is a quota before a store.
type world struct {
	*moduletest.Fixture
	*quota.Quota
}

func open(t *testing.T, cfg quota.Config) *world {
	f := moduletest.Open(t, things)
	return &world{f, quota.New(cfg, quota.Log{}, f.Clock, nil, nil)}
}

// write writes rows of so many bytes in one transaction that a pays for, and ends it with an error.
func (w *world) write(t testing.TB, a social.Actor, rows, bytes int, end error) {
	t.Helper()
	err := w.Quota.InTx(quota.With(t.Context(), a), w.DB, func(tx storage.Tx) error {
		for range rows {
			if _, err := tx.Exec(t.Context(), `INSERT INTO things (text) VALUES ($1)`, strings.Repeat("x", bytes)); err != nil {
				return err
			}
		}
		return end
	})
	if !errors.Is(err, end) {
		t.Fatal(err)
	}
}

func (w *world) policy(a social.Actor) string {
	if over := w.Ask(a); over != nil {
		return over.Policy
	}
	return ""
}

func person() social.Actor { return social.Actor{UserID: social.NewID()} }

// What stands is charged, to who pays for it; and only that.
func TestCharges(t *testing.T) {
	w := open(t, quota.Config{RowsPerHour: 10, BytesPerDay: 1000, NewAccount: quota.NewAccount{Share: 1}})
	alice, bob := person(), person()
	undone := errors.New("undone")
	w.write(t, alice, 20, 0, undone)
	if got := w.policy(alice); got != "" {
		t.Errorf("what was undone is charged: %s", got)
	}
	again := 0
	if err := w.Quota.InTx(quota.With(t.Context(), alice), w.DB, func(tx storage.Tx) error {
		again++
		_, err := tx.Exec(t.Context(), `DELETE FROM things`)
		return err
	}); err != nil || again != 1 {
		t.Fatal(again, err)
	}
	err := w.Quota.InTx(context.Background(), w.DB, func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO things (text) VALUES ($1)`, strings.Repeat("x", 5000))
		return err
	})
	if err != nil || w.policy(alice) != "" {
		t.Errorf("what nobody pays for: %v, %s", err, w.policy(alice))
	}
	w.write(t, alice, 10, 1, nil)
	if got := w.policy(alice); got != "" {
		t.Errorf("refused before the bound is passed: %s", got)
	}
	w.write(t, alice, 1, 1, nil)
	if got := w.policy(alice); got != quota.RowsPerHour {
		t.Errorf("11 rows of 10: %q", got)
	}
	w.write(t, bob, 1, 1001, nil)
	if got := w.policy(bob); got != quota.BytesPerDay {
		t.Errorf("1,001 bytes of 1,000: %q", got)
	}
	if got := w.policy(person()); got != "" {
		t.Errorf("another person: %q", got)
	}
	if over := w.Ask(alice); over.Count != 10 || over.Per != time.Hour || over.Retry != 6*time.Minute {
		t.Errorf("%+v", over)
	}
}

// A statement that answers with what it wrote counts like another.
func TestChargesReturning(t *testing.T) {
	w := open(t, quota.Config{RowsPerHour: 1, NewAccount: quota.NewAccount{Share: 1}})
	a := person()
	for range 2 {
		err := w.Quota.InTx(quota.With(t.Context(), a), w.DB, func(tx storage.Tx) error {
			var n int64
			return tx.QueryRow(t.Context(), `INSERT INTO things (text) VALUES ($1) RETURNING rowid`, "x").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := w.policy(a); got != quota.RowsPerHour {
		t.Errorf("2 rows of 1: %q", got)
	}
}

// Whatever is written and when: in no time does an account get through more than its bound, what comes back in that
// time, and one act; who waits as long as they are told may write; and nobody pays for another.
func TestBounds(t *testing.T) {
	w := open(t, quota.Config{})
	rapid.Check(t, func(r *rapid.T) {
		count := rapid.IntRange(1, 50).Draw(r, "rows an hour")
		young := rapid.Float64Range(0.1, 1).Draw(r, "share of the young")
		w.Quota = quota.New(quota.Config{RowsPerHour: count, NewAccount: quota.NewAccount{For: 1000 * time.Hour,
			Share: young}}, quota.Log{}, w.Clock, nil, nil)
		who := []social.Actor{person(), person()}
		who[1].JoinedAt = w.Clock.Now()
		bound := []float64{float64(count), float64(count) * young}
		type act struct {
			at   time.Time
			rows int
		}
		done := make([][]act, 2)
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "who")
			if over := w.Ask(who[i]); over != nil {
				if rapid.Bool().Draw(r, "waits") {
					w.Advance(over.Retry)
					if w.Ask(who[i]) != nil {
						r.Fatalf("still refused after %v", over.Retry)
					}
				}
				continue
			}
			rows := rapid.IntRange(0, 20).Draw(r, "rows")
			w.write(t, who[i], rows, 1, nil)
			done[i] = append(done[i], act{w.Clock(), rows})
			w.Advance(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(r, "pause")))
		}
		for i, acts := range done {
			for from := range acts {
				sum := 0
				for _, a := range acts[from:] {
					before := float64(sum)
					sum += a.rows
					if most := bound[i] * (1 + a.at.Sub(acts[from].at).Hours()); before > math.Ceil(most) {
						r.Fatalf("%v rows in %v, and one more act", before, a.at.Sub(acts[from].at))
					}
				}
			}
		}
	})
}

func TestYoungAccounts(t *testing.T) {
	w := open(t, quota.Config{RowsPerHour: 100, NewAccount: quota.NewAccount{For: 24 * time.Hour, Share: 0.25}})
	a := person()
	a.JoinedAt = w.Clock.Now()
	w.write(t, a, 26, 1, nil)
	if over := w.Ask(a); over == nil || over.Count != 25 {
		t.Fatalf("26 rows of 25: %+v", over)
	}
	w.Advance(25 * time.Hour)
	w.write(t, a, 100, 1, nil)
	if over := w.Ask(a); over != nil {
		t.Fatalf("100 rows of 100: %+v", over)
	}
}

// A service token pays, and none of what is a person's.
func TestServicesPay(t *testing.T) {
	w := open(t, quota.Config{RowsPerHour: 1, ServiceBytesPerDay: 100, NewAccount: quota.NewAccount{Share: 1}})
	a := social.Actor{ServiceID: social.NewID()}
	w.write(t, a, 10, 10, nil)
	if got := w.policy(a); got != "" {
		t.Errorf("100 bytes of 100: %q", got)
	}
	w.write(t, a, 1, 1, nil)
	if got := w.policy(a); got != quota.ServiceBytesPerDay {
		t.Errorf("101 bytes of 100: %q", got)
	}
	nobody := social.Actor{}
	w.write(t, nobody, 10, 100, nil)
	if got := w.policy(nobody); got != "" {
		t.Errorf("nobody, signed in: %q", got)
	}
}

// The share of the log bounds the day of one account where it is the smaller one.
func TestLogShare(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		perDay social.Size
		share  float64
		log    quota.Log
		want   int64 // 0 = no bound
	}{
		{8 * mib, 0.05, quota.Log{Bytes: 8 << 30, Age: 30 * 24 * time.Hour}, 8 * mib},
		{8 * mib, 0.05, quota.Log{Bytes: 600 * mib, Age: 30 * 24 * time.Hour}, 1 * mib},
		{8 * mib, 0.05, quota.Log{Bytes: 600 * mib}, 1 * mib},
		{8 * mib, 0, quota.Log{Bytes: 600 * mib, Age: 30 * 24 * time.Hour}, 8 * mib},
		{8 * mib, 0.05, quota.Log{Age: 30 * 24 * time.Hour}, 8 * mib},
		{0, 0.05, quota.Log{Bytes: 600 * mib, Age: 30 * 24 * time.Hour}, 1 * mib},
		{0, 0.05, quota.Log{Bytes: mib, Age: 30 * 24 * time.Hour}, 256 << 10}, // one post always fits
		{0, 0.05, quota.Log{Bytes: 40 * mib, Age: time.Hour}, 2 * mib},
		{0, 0, quota.Log{}, 0},
	} {
		w := open(t, quota.Config{})
		w.Quota = quota.New(quota.Config{BytesPerDay: c.perDay, LogShare: c.share, NewAccount: quota.NewAccount{Share: 1}},
			c.log, w.Clock, nil, nil)
		a := person()
		w.write(t, a, 1, 9*mib, nil)
		got := int64(0)
		if over := w.Ask(a); over != nil {
			got = over.Count
		}
		if got != c.want {
			t.Errorf("%+v: %d bytes a day", c, got)
		}
	}
}

// The disk is looked at now and then, and what is seen holds until the next look.
func TestReserve(t *testing.T) {
	w := open(t, quota.Config{})
	free, looks := uint64(200), 0
	w.Quota = quota.New(quota.Config{DiskReserve: 100}, quota.Log{}, w.Clock,
		func() (uint64, bool) { looks++; return free, free != 1 }, nil)
	for _, step := range []struct {
		free uint64
		room bool
	}{{200, true}, {100, true}, {99, false}, {0, false}, {1, true}, {50, false}, {101, true}} {
		free = step.free
		w.Advance(time.Second)
		for range 100 {
			if got := w.Room(); got != step.room {
				t.Errorf("%d bytes are free: room %v", free, got)
			}
		}
	}
	if looks != 7 {
		t.Errorf("%d looks at the disk in 7 seconds of asking", looks)
	}
}

func TestConfig(t *testing.T) {
	if err := quota.DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	for key, change := range map[string]func(*quota.Config){
		"bytes_per_hour":        func(c *quota.Config) { c.BytesPerHour = 1 },
		"bytes_per_day":         func(c *quota.Config) { c.BytesPerDay = 1000 },
		"service_bytes_per_day": func(c *quota.Config) { c.ServiceBytesPerDay = 1 },
		"rows_per_hour":         func(c *quota.Config) { c.RowsPerHour = -1 },
		"rows_per_day":          func(c *quota.Config) { c.RowsPerDay = 499 },
		"log_share":             func(c *quota.Config) { c.LogShare = math.NaN() },
		"new_account.for":       func(c *quota.Config) { c.NewAccount.For = -1 },
		"new_account.share":     func(c *quota.Config) { c.NewAccount.Share = 0 },
	} {
		c := quota.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
