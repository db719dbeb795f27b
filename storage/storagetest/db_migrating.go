package storagetest

import (
	"errors"
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/belfry-social/belfry/storage"
)

// dbMigrating are the cases about migrations.
var dbMigrating = []dbCase{
	{"migrations", "files run once, in the order of their numbers", migrations},
	{"newer store", "a store that is newer than the files is refused, naming owner and both versions, " +
		"and not written to", newerStore},
	{"half a file", "a file that fails leaves nothing, and the next try heals it", halfFile},
	{"owners apart", "each owner has a version of its own", ownersApart},
}

// steps makes migrations that both engines run.
func steps(owner string, texts ...string) storage.Migrations {
	files := fstest.MapFS{}
	for i, text := range texts {
		for _, engine := range []string{"sqlite", "postgres"} {
			files[fmt.Sprintf("%s/%04d_step.up.sql", engine, i+1)] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return storage.Migrations{Owner: owner, FS: files}
}

const (
	stepOne   = "CREATE TABLE steps (n INTEGER NOT NULL);\nINSERT INTO steps (n) VALUES (1);"
	stepTwo   = "INSERT INTO steps (n) SELECT max(n) + 1 FROM steps -- no semicolon at the end"
	stepThree = "INSERT INTO steps (n) SELECT max(n) * 10 FROM steps;"
)

func (k *dbKit) wantSteps(want string) {
	k.Helper()
	var got []string
	k.must(k.Read(k.ctx, func(q storage.Querier) error {
		rows, err := q.Query(k.ctx, `SELECT n FROM steps ORDER BY n`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			got = append(got, fmt.Sprint(n))
		}
		return rows.Err()
	}))
	if strings.Join(got, " ") != want {
		k.broken("steps left %q, want %q", strings.Join(got, " "), want)
	}
}

func (k *dbKit) wantStatus(m storage.Migrations, version, latest uint) {
	k.Helper()
	s, err := k.Versions(k.ctx, m)
	k.must(err)
	if s.Owner != m.Owner || s.Version != version || s.Latest != latest || s.Dirty {
		k.broken("Versions tells %+v, want version %d of %d and not dirty", s, version, latest)
	}
}

func migrations(k *dbKit) {
	m := steps("steps", stepOne, stepTwo)
	k.wantStatus(m, 0, 2)
	for range 3 {
		k.must(k.Migrate(k.ctx, m))
		k.wantSteps("1 2")
		k.wantStatus(m, 2, 2)
	}
	m = steps("steps", stepOne, stepTwo, stepThree)
	k.wantStatus(m, 2, 3)
	k.must(k.Migrate(k.ctx, m))
	k.wantSteps("1 2 20")
	k.wantStatus(m, 3, 3)
}

func newerStore(k *dbKit) {
	k.must(k.Migrate(k.ctx, steps("steps", stepOne, stepTwo, stepThree)))
	older := steps("steps", stepOne)
	for name, err := range map[string]error{
		"Migrate": k.Migrate(k.ctx, older),
		// "another" comes first by its name, and must not be made either.
		"MigrateAll": storage.MigrateAll(k.ctx, k, older, steps("another", "CREATE TABLE another (n INTEGER)")),
	} {
		if !errors.Is(err, storage.ErrAhead) {
			k.broken("%s answered %v", name, err)
			continue
		}
		for _, word := range []string{"steps", "3", "1"} {
			if !strings.Contains(err.Error(), word) {
				k.broken("%s says %q, without %q", name, err, word)
			}
		}
	}
	k.wantSteps("1 2 20")
	k.wantStatus(steps("steps", stepOne, stepTwo, stepThree), 3, 3)
	k.wantStatus(steps("another", ""), 0, 1)
}

func halfFile(k *dbKit) {
	k.must(k.Migrate(k.ctx, steps("steps", stepOne)))
	for range 2 {
		broken := stepThree + "\nINSERT INTO nowhere (n) VALUES (1);"
		if err := k.Migrate(k.ctx, steps("steps", stepOne, broken, stepTwo)); err == nil {
			k.broken("a file with an error was answered nil")
		}
		k.wantSteps("1")
	}
	k.must(k.Migrate(k.ctx, steps("steps", stepOne, stepTwo)))
	k.wantSteps("1 2")
	k.wantStatus(steps("steps", stepOne, stepTwo), 2, 2)

	broken := steps("fresh", "CREATE TABLE fresh (n INTEGER); INSERT INTO nowhere (n) VALUES (1);")
	if err := k.Migrate(k.ctx, broken); err == nil {
		k.broken("a first file with an error was answered nil")
	}
	k.must(k.Migrate(k.ctx, steps("fresh", "CREATE TABLE fresh (n INTEGER);")))
	k.wantStatus(steps("fresh", ""), 1, 1)
}

func ownersApart(k *dbKit) {
	other := steps("other", "CREATE TABLE other (n INTEGER);")
	k.must(storage.MigrateAll(k.ctx, k, steps("steps", stepOne, stepTwo), kitMigrations, other))
	k.wantStatus(steps("steps", stepOne, stepTwo), 2, 2)
	k.wantStatus(steps("other", ""), 1, 1)
	k.wantStatus(kitMigrations, 1, 1)
	if err := storage.MigrateAll(k.ctx, k, steps("other", ""), steps("other", "")); err == nil {
		k.broken("an owner named twice was answered nil")
	}
}
