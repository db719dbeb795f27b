package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// copyFiles copies some files of a data directory into another one.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// startsOn tells how a start on a data directory ends; after a good one the program is stopped.
func startsOn(t *testing.T, data string) error {
	t.Helper()
	flags := map[string]string{"storage.data": data, "server.listen": freePort(t), "admin.listen": freePort(t)}
	p := app.New(app.Options{Source: config.Source{Flags: flags, ReadFile: noFile}, Log: zap.NewNop(),
		Clock: time.Now}, app.Standard()...)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	err := p.Start(ctx)
	if stopped := p.Stop(ctx); err == nil {
		err = stopped
	}
	return err
}

// write has somebody post n times.
func (w *world) write(t *testing.T, n int) {
	t.Helper()
	c := newCaller(w.URL, w.People[0].Token)
	for i := range n {
		c.must(t, 201, "POST", "/v1/posts", map[string]any{"text": fmt.Sprint(i, strings.Repeat(" many words", i%30))})
	}
	w.settle()
}

// TestTornCopy: a directory that was copied under a running server, the database first and what is beside it later, is
// refused with words, as often as it is started; one that fits together is served, wherever it was put.
func TestTornCopy(t *testing.T) {
	var jobs struct {
		fx.In
		List []social.Job `group:"jobs"`
	}
	w := startWorld(t, nil, 1, fx.Populate(&jobs))
	wipe := func() {
		t.Helper()
		for _, j := range jobs.List {
			if strings.HasPrefix(j.Name, "storage: wipe the database") {
				if _, err := j.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	torn, whole, late := filepath.Join(t.TempDir(), "torn"), filepath.Join(t.TempDir(), "whole"),
		filepath.Join(t.TempDir(), "late")
	w.write(t, 150)
	copyFiles(t, w.Data, torn, "belfry.db")
	copyFiles(t, w.Data, late, boltFile)
	w.write(t, 150)
	wipe() // the log that is beside the database goes into it
	w.write(t, 20)
	copyFiles(t, w.Data, torn, "belfry.db-wal", boltFile)
	copyFiles(t, w.Data, whole, "belfry.db", "belfry.db-wal", boltFile)
	w.stop()
	for range 2 {
		err := startsOn(t, torn)
		if err == nil || !strings.Contains(err.Error(), "torn") || !strings.Contains(err.Error(), "backup") {
			t.Fatalf("the start on a torn copy: %v", err)
		}
	}
	copyFiles(t, whole, late, "belfry.db", "belfry.db-wal") // with an older event log: it is only behind
	for _, data := range []string{whole, late, whole} {
		if err := startsOn(t, data); err != nil {
			t.Errorf("the start on a sound copy: %v", err)
		}
	}
}

// TestTornInTheMiddle: a database that is sound by itself and lacks a stretch that the event log has is refused, in its
// place and in another.
func TestTornInTheMiddle(t *testing.T) {
	w := startWorld(t, nil, 1)
	w.write(t, 60)
	older := filepath.Join(t.TempDir(), "older")
	copyFiles(t, w.Data, older, "belfry.db", "belfry.db-wal", boltFile)
	err := w.db.InTx(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM outbox WHERE id BETWEEN 20 AND 40`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	copied := filepath.Join(t.TempDir(), "copied")
	copyFiles(t, w.Data, copied, "belfry.db", boltFile)
	if err := startsOn(t, copied); err == nil || !strings.Contains(err.Error(), "lacks announcement 20") {
		t.Errorf("the start on a copy: %v", err)
	}
	if err := startsOn(t, older); err != nil {
		t.Errorf("the start on the copy from before: %v", err)
	}
	place, err := os.ReadFile(filepath.Join(older, "belfry.place"))
	if err != nil || len(bytes.Fields(place)) != 2 {
		t.Errorf("the place is %q, %v", place, err)
	}
}
