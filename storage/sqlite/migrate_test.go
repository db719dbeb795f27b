//go:build unix

package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// sixSteps are an upgrade in which running a step twice, or leaving one out, shows in the sum.
var sixSteps = []string{
	`CREATE TABLE steps (n INTEGER NOT NULL); INSERT INTO steps (n) VALUES (1);`,
	`UPDATE steps SET n = n * 2;`,
	`UPDATE steps SET n = n + 3; CREATE TABLE more (n INTEGER); INSERT INTO more SELECT n FROM steps;`,
	`UPDATE steps SET n = n * 5;`,
	`DROP TABLE more; UPDATE steps SET n = n + 7;`,
	`UPDATE steps SET n = n * 11`,
}

const sixStepsSum = ((1*2+3)*5 + 7) * 11

// TestMigrateCrash kills the process with SIGKILL in each step of an upgrade, before and after its commit. The next
// start has to succeed by itself.
func TestMigrateCrash(t *testing.T) {
	if dir := os.Getenv("BELFRY_TEST_MIGRATE"); dir != "" {
		migrateAndDie(t, dir, os.Getenv("BELFRY_TEST_POINT"))
		return
	}
	for step := 1; step <= len(sixSteps); step++ {
		for _, point := range []sqlite.Point{sqlite.PointMigrate, sqlite.PointMigrated} {
			t.Run(fmt.Sprintf("%s %d", point, step), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				child := exec.Command(os.Args[0], "-test.run=^TestMigrateCrash$")
				child.Env = append(os.Environ(), "BELFRY_TEST_MIGRATE="+dir, fmt.Sprintf("BELFRY_TEST_POINT=%s %d", point, step))
				out, err := child.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the child was not killed: %v\n%s", err, out)
				}
				db := open(t, sqlite.Config{Path: filepath.Join(dir, sqlite.FileName)})
				m := files("steps", sixSteps...)
				if s, err := db.Versions(t.Context(), m); err != nil || s.Dirty != (point == sqlite.PointMigrate) {
					t.Errorf("after the kill: %+v, %v", s, err)
				}
				for range 2 {
					if err := db.Migrate(t.Context(), m); err != nil {
						t.Fatalf("the next start: %v", err)
					}
				}
				var sum int
				err = db.Read(t.Context(), func(q storage.Querier) error {
					return q.QueryRow(t.Context(), `SELECT sum(n) FROM steps`).Scan(&sum)
				})
				if err != nil || sum != sixStepsSum {
					t.Errorf("the steps give %d, %v, want %d", sum, err, sixStepsSum)
				}
				if err := db.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// migrateAndDie is the child: it ends itself the nth time it comes to a point.
func migrateAndDie(t *testing.T, dir, when string) {
	seen := map[sqlite.Point]int{}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, sqlite.FileName),
		Failpoint: func(p sqlite.Point) error {
			if seen[p]++; fmt.Sprintf("%s %d", p, seen[p]) == when {
				return syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(db.Migrate(t.Context(), files("steps", sixSteps...)), "and still alive")
}

// TestMigrateKeepsReferences: rebuilding a table must not empty those that refer to it, and a file that leaves a
// reference to nothing is refused.
func TestMigrateKeepsReferences(t *testing.T) {
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName)})
	const (
		tables = `CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a INTEGER REFERENCES a (id) ON DELETE CASCADE);
			INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);`
		rebuild = `CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO fresh (id) SELECT id FROM a;
			DROP TABLE a;
			ALTER TABLE fresh RENAME TO a;`
		spoil = `DELETE FROM a;`
	)
	if err := db.Migrate(t.Context(), files("refs", tables, rebuild)); err != nil {
		t.Fatal(err)
	}
	var rows int
	countB := func(q storage.Querier) error {
		return q.QueryRow(t.Context(), `SELECT count(*) FROM b JOIN a ON a.id = b.a`).Scan(&rows)
	}
	if err := db.Read(t.Context(), countB); err != nil || rows != 1 {
		t.Errorf("after rebuilding a, b has %d rows, %v", rows, err)
	}
	if err := db.Migrate(t.Context(), files("refs", tables, rebuild,
		spoil)); err == nil || !strings.Contains(err.Error(), "refers to no row") {
		t.Errorf("a file that breaks references is answered %v", err)
	}
	if err := db.Read(t.Context(), countB); err != nil || rows != 1 {
		t.Errorf("after the refused file b has %d rows, %v", rows, err)
	}
	if err := db.InTx(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO b VALUES (2)`)
		return err
	}); err == nil {
		t.Error("foreign keys are off after a migration")
	}
}

// TestMigrateRefusesNames: the owner becomes part of a table's name.
func TestMigrateRefusesNames(t *testing.T) {
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName)})
	for _, owner := range []string{"", "Users", "a b", "a;drop", "a-b"} {
		if err := db.Migrate(t.Context(), files(owner, `SELECT 1`)); err == nil {
			t.Errorf("the owner %q was accepted", owner)
		}
	}
	m := files("users", `SELECT 1`)
	m.FS = os.DirFS(t.TempDir())
	if err := db.Migrate(t.Context(), m); err == nil {
		t.Error("an owner without files was accepted")
	}
}

// TestMigrateUnreadableVersion: a version that cannot be read is an error, not "nothing applied yet".
func TestMigrateUnreadableVersion(t *testing.T) {
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName)})
	m := files("steps", sixSteps...)
	if err := db.Migrate(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE schema_steps SET version = 'six'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), m); err == nil {
		t.Error("Migrate took an unreadable version for none")
	}
	if _, err := db.Versions(t.Context(), m); err == nil {
		t.Error("Versions took an unreadable version for none")
	}
}

// TestMigrateFails: a step whose write or sync failed ends the store like any other.
func TestMigrateFails(t *testing.T) {
	f := &failing{at: sqlite.PointMigrate, err: storage.ErrFailed}
	f.on.Store(true)
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName), Failpoint: f.point})
	if err := db.Migrate(t.Context(), files("acts", acts)); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("Migrate gave %v, want ErrFailed", err)
	}
	select {
	case <-db.Failed():
	default:
		t.Error("nobody is told that the store has failed")
	}
}

// TestMigrateLeavesTheLog: a large step is not moved into the file behind the writer's back, which would not hear of an
// error.
func TestMigrateLeavesTheLog(t *testing.T) {
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName)})
	if err := db.Migrate(t.Context(), files("acts",
		`CREATE TABLE large (b BLOB); INSERT INTO large VALUES (zeroblob(8000000));`)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(db.Path())
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}
