package users_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// crowd writes n accounts without the cost of their passwords.
func (w *world) crowd(t testing.TB, n int) (ids []social.ID) {
	t.Helper()
	w.InTx(t, func(tx storage.Tx) error {
		ids = nil
		for i := range n {
			key, err := tx.NextKey(t.Context())
			if err != nil {
				return err
			}
			id := social.NewID()
			ids = append(ids, id)
			_, err = tx.Exec(t.Context(), `INSERT INTO users (id, key, username, display_name, role, state, locale, time_zone,
				password_hash, created_at)
				VALUES ($1, $2, $3, $4, 'user', 'active', 'en', 'UTC', '',
				0)`, id, key, fmt.Sprintf("person_%d", i), fmt.Sprintf("Person %d", i))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// counting notes the texts it is asked with.
type counting struct {
	storage.Querier
	texts []string
}

func (c *counting) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	c.texts = append(c.texts, query)
	return c.Querier.Query(ctx, query, args...)
}

func TestRefs(t *testing.T) {
	w := open(t)
	ids := w.crowd(t, 300)
	if err := w.users.Delete(t.Context(), "person_5"); err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	w.Read(t, func(q storage.Querier) error {
		for n, queries := range map[int]int{0: 0, 1: 1, 2: 1, 8: 1, 9: 1, 32: 1, 33: 1, 256: 1, 257: 2, 300: 2} {
			c := &counting{Querier: q}
			fresh := users.New(users.DefaultConfig(), social.Site{}, w.DB, w.Bus, w.Clock, w.Pages, w.Log) // knows no names
			refs, err := fresh.Refs(t.Context(), c, ids[:n])
			if err != nil {
				return err
			}
			want := n
			if n > 5 {
				want-- // the one deleted
			}
			if len(refs) != want || len(c.texts) != queries {
				t.Errorf("%d ids: %d refs by %d queries, want %d by %d", n, len(refs), len(c.texts), want, queries)
			}
			for i, id := range ids[:n] {
				if r := refs[id]; i != 5 && (r.ID != id || r.Username != fmt.Sprintf("person_%d", i) ||
					r.DisplayName != fmt.Sprintf("Person %d", i)) {
					t.Errorf("%d ids: ref %d is %+v", n, i, r)
				}
			}
			for _, text := range c.texts {
				distinct[text] = true
			}
		}
		refs, err := w.users.Refs(t.Context(), q, []social.ID{ids[1], social.NewID(), ids[1], {}, ids[5]})
		if err != nil || len(refs) != 1 || refs[ids[1]].Username != "person_1" {
			t.Errorf("doubles, strangers, none and deleted give %v, %v", refs, err)
		}
		return err
	})
	if len(distinct) > 9 {
		t.Errorf("%d statements for one question, want at most 9", len(distinct))
	}
}

func TestRefsByName(t *testing.T) {
	w := open(t)
	ids := w.crowd(t, 4)
	if err := w.users.Delete(t.Context(), "person_3"); err != nil {
		t.Fatal(err)
	}
	w.Read(t, func(q storage.Querier) error {
		refs, err := w.users.RefsByName(t.Context(), q,
			[]string{"person_0", "PERSON_1", "person_1", "person_3", "stranger", "no name", ""})
		if err != nil {
			return err
		}
		if len(refs) != 3 || refs["person_0"].ID != ids[0] || refs["PERSON_1"].ID != ids[1] || refs["person_1"].ID != ids[1] {
			t.Errorf("refs by name are %v", refs)
		}
		none, err := w.users.RefsByName(t.Context(), q, nil)
		if len(none) != 0 {
			t.Errorf("no names give %v", none)
		}
		return err
	})
}

func TestProfiles(t *testing.T) {
	w := open(t)
	ids := w.crowd(t, 4)
	if err := w.users.Delete(t.Context(), "person_3"); err != nil {
		t.Fatal(err)
	}
	w.Read(t, func(q storage.Querier) error {
		list, err := w.users.Profiles(t.Context(), q, []social.ID{ids[2], ids[3], social.NewID(), ids[0], ids[1]})
		if err != nil {
			return err
		}
		if len(list) != 3 || list[0].ID != ids[2] || list[1].ID != ids[0] || list[2].ID != ids[1] {
			t.Fatalf("profiles are %+v, want those there in the order asked", list)
		}
		if list[2].URL != "https://social.example/@person_1" || list[2].Viewer != nil {
			t.Errorf("a profile is %+v", list[2])
		}
		return nil
	})
}

func BenchmarkRefs(b *testing.B) {
	w := open(b)
	ids := w.crowd(b, 2000)
	for _, n := range []int{1, 20, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			err := w.DB.Read(b.Context(), func(q storage.Querier) error {
				for i := 0; b.Loop(); i++ {
					from := i * 37 % (len(ids) - n)
					if _, err := w.users.Refs(b.Context(), q, ids[from:from+n]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	w := open(b)
	c := social.Credentials{Cookie: w.register(b, "alice").Secret}
	for b.Loop() {
		if _, err := w.users.Authenticate(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
