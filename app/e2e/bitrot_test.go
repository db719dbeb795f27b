package e2e_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestBitrot (P16): the log's file is damaged between runs, at random: nobody is ever told something wrong. Either
// the damage lies where nothing is, or it is named in the log and the file is set aside and filled again, and
// readers notice nothing.
func TestBitrot(t *testing.T) {
	seed, rng := luck(t)
	w := startWorld(t, map[string]string{"admin.enabled": "false"}, 3)
	w.stormed(40, rng.Uint64())
	var had []*history
	for _, m := range w.People {
		had = append(had, everything(t, w.URL, m, "all"))
	}
	w.stop()
	path := filepath.Join(w.Data, boltFile)
	rounds, found := number(t, "FLIPS", 60), 0
	for i := 0; i < rounds; i += 2 {
		damage(t, path, i, rng)
		damage(t, path, i+1, rng)
		w.start()
		who := w.People[i/2%len(w.People)]
		got, want := everything(t, w.URL, who, "all"), had[i/2%len(w.People)]
		if len(got.Faults) > 0 || len(got.Gaps) > 0 || len(got.Got) != len(want.Got) {
			t.Fatalf("round %d: %s has %d events of %d, gaps %v, faults %v", i, who.Name, len(got.Got), len(want.Got), got.Gaps,
				got.Faults)
		}
		for j, d := range got.Got {
			if d.JSON != want.Got[j].JSON {
				t.Fatalf("round %d: was %s\nis  %s", i, want.Got[j].JSON, d.JSON)
			}
		}
		if w.Logs.FilterMessage("event log cannot be used and is set aside").Len() > 0 {
			found++
		}
		w.stop()
	}
	report(t, "bitrot", seed, map[string]any{"damages": rounds, "starts": rounds / 2, "found": found})
	if found < rounds/10 {
		t.Errorf("only %d starts found damage: the file is mostly empty, or nobody looks", found)
	}
}

// damage flips a bit, empties a page or cuts the file off, somewhere in the pages that hold something.
func damage(t *testing.T, path string, round int, rng *rand.Rand) {
	t.Helper()
	const pageSize = 4096
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	var used []int
	for at := 0; at+pageSize <= len(file); at += pageSize {
		if !bytes.Equal(file[at:at+pageSize], make([]byte, pageSize)) {
			used = append(used, at)
		}
	}
	page := used[rng.IntN(len(used))]
	at := page + rng.IntN(pageSize)
	switch round % 10 {
	case 9:
		err = f.Truncate(int64(at))
	case 8:
		_, err = f.WriteAt(make([]byte, pageSize), int64(page))
	default:
		_, err = f.WriteAt([]byte{file[at] ^ 1<<rng.IntN(8)}, int64(at))
	}
	if err != nil {
		t.Fatal(err)
	}
}
