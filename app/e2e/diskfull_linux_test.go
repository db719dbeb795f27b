package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestDiskFullForReal (P4): the disk of a whole program fills up. Writes are refused with 507, while reads and a live
// stream go on; with the space everything comes back by itself within 5 s, nothing lost and nothing doubled. SIZE is
// that of the disk.
func TestDiskFullForReal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIP: a disk of its own needs root")
	}
	size := os.Getenv("SIZE")
	if size == "" {
		size = "32m"
	}
	c, author, reader := onDisk(t, size, "BELFRY_QUOTA_DISK_RESERVE=0") // the last byte, too
	me := newCaller(c.URL, author.Token)
	live := watch(t, c.URL, reader)

	filler := fillDisk(t, c.Data, 2<<20) // at once; the rest by posts
	body := func(n int) map[string]any {
		return map[string]any{"text": fmt.Sprint("post ", n, " ", strings.Repeat("long ", 400))}
	}
	put := func(n int) int {
		status, out, err := me.ask("POST", "/v1/posts", body(n), fmt.Sprint("Idempotency-Key: ", n))
		if err != nil || status == 507 && !strings.Contains(string(out), `"storage_full"`) {
			t.Fatalf("post %d: %d %s %v", n, status, out, err)
		}
		return status
	}
	n, refused := 0, []int{}
	for ; len(refused) < 20; n++ {
		if n == 10000 {
			t.Fatal("the disk does not fill")
		}
		if status := put(n); status == 507 {
			refused = append(refused, n)
		} else if status != 201 {
			t.Fatalf("post %d: %d", n, status)
		}
	}
	for _, path := range []string{"/v1/timelines/home", "/v1/notifications", "/v1/events?after=oldest&posts=all",
		"/readyz"} {
		newCaller(c.URL, reader.Token).must(t, 200, "GET", path, nil, "Accept: application/json")
	}
	if state := readiness(t, c.Admin); !strings.Contains(state, `"degraded"`) {
		t.Errorf("readyz: %s", state)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond) // it heals by itself, so it is asked
	defer tick.Stop()
	for put(refused[0]) != 201 {
		if <-tick.C; time.Since(began) > 5*time.Second {
			t.Fatalf("not healthy after %v", time.Since(began))
		}
	}
	healed := time.Since(began)
	for _, n := range refused { // once more, and a third time
		if a, b := put(n), put(n); a != 201 || b != 201 {
			t.Errorf("post %d, with space again: %d, %d", n, a, b)
		}
	}
	for !strings.Contains(readiness(t, c.Admin), `"ready"`) {
		if <-tick.C; time.Since(began) > 5*time.Second+deadline {
			t.Fatalf("readyz: %s", readiness(t, c.Admin))
		}
	}
	seen := map[string]int{}
	for range n { // in the order of their commits, each once
		seen[live()]++
	}
	c.kill()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(c.Data, sqlite.FileName)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	for i := range n {
		if times := seen[fmt.Sprint("post ", i)]; times != 1 {
			t.Errorf("post %d was shown %d times", i, times)
		}
	}
	rows := openStore(t, c.Data)
	var posts int
	if err := rows.QueryRow(`SELECT COUNT(*) FROM posts`).Scan(&posts); err != nil || posts != n {
		t.Errorf("%d posts are kept, %d were answered: %v", posts, n, err)
	}
	report(t, "diskfull", 0, map[string]any{"size": size, "posts": n, "refused": len(refused),
		"healthy_ms": healed.Milliseconds()})
}

// watch opens a stream; each call of next gives the first two words of the next post.
func watch(t *testing.T, base string, who member) (next func() string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/events?posts=all", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+who.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("stream: %+v, %v", resp, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	return func() string {
		for {
			b, err := nextBlock(r)
			if err != nil {
				t.Fatalf("the stream ended: %v", err)
			}
			if b.Event == "post.created" {
				_, text, _ := strings.Cut(b.Data, `"text":"`)
				words := strings.SplitN(text, " ", 3)
				return words[0] + " " + words[1]
			}
		}
	}
}

// TestDiskReserveForReal: on a disk that fills, people's writes end while the reserve is still there, what is deleted
// is, and writes come back with the space.
func TestDiskReserveForReal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIP: a disk of its own needs root")
	}
	c, author, _ := onDisk(t, "64m")
	me := newCaller(c.URL, author.Token)
	filler := fillDisk(t, c.Data, 17<<20)
	post := func() (status int, id string) {
		status, out, err := me.ask("POST", "/v1/posts", map[string]any{"text": strings.Repeat("long ", 900)})
		if err != nil {
			t.Fatal(err)
		}
		var made struct{ ID string }
		_ = json.Unmarshal(out, &made)
		return status, made.ID
	}
	var last string
	for n := 0; ; n++ {
		status, id := post()
		if status == 507 {
			break
		}
		if status != 201 || n == 10000 {
			t.Fatalf("post %d: %d", n, status)
		}
		last = id
	}
	// What was accepted before goes on being written: a checkpoint, the log.
	if free := room(t, c.Data); free < 12<<20 || free >= 16<<20 {
		t.Errorf("%d bytes are left when people's writes end", free)
	}
	me.must(t, 204, "DELETE", "/v1/posts/"+last, nil)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(deadline); ; {
		if status, _ := post(); status == 201 {
			break
		}
		if <-tick.C; time.Now().After(late) {
			t.Fatal("with space again nothing can be written")
		}
	}
}

// onDisk starts the program with two people, of whom the second follows the first, on a disk of so much.
func onDisk(t *testing.T, size string, env ...string) (c *child, author, reader member) {
	t.Helper()
	w := startWorld(t, nil, 2)
	author, reader = w.People[0], w.People[1]
	newCaller(w.URL, reader.Token).must(t, 200, "PUT", "/v1/users/"+author.ID.String()+"/follow", nil)
	w.stop()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("belfry", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("SKIP: mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.CopyFS(dir, os.DirFS(w.Data)); err != nil {
		t.Fatal(err)
	}
	c = newChild(t, dir, env...)
	c.mustStart()
	return c, author, reader
}

// room is what is free on the disk of a directory.
func room(t *testing.T, dir string) int64 {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// fillDisk leaves so much on the disk, and returns the file that took the rest.
func fillDisk(t *testing.T, dir string, leave int64) string {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, max(0, room(t, dir)-leave)), 0o600); err != nil {
		t.Fatal(err)
	}
	return filler
}
