package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestFigures measures the whole program as a process of its own and prints a table. It asserts nothing: `make
// bench` runs it. FIGURES=1 switches it on; EVENTS= is the size of the large log (1,000,000).
func TestFigures(t *testing.T) {
	if os.Getenv("FIGURES") == "" {
		t.Skip("SKIP: figures are measured by make bench")
	}
	fmt.Printf("machine   %s, %d cores, %s %s, %s\ndate      %s\nseed      1, fixed in every benchmark\n", cpu(),
		runtime.NumCPU(), runtime.GOOS, kernel(), runtime.Version(), time.Now().UTC().Format(time.DateTime))
	binary := filepath.Join(t.TempDir(), "belfry")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "../belfry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("binary    %.1f MB\n", float64(info.Size())/1e6)

	empty := serve(t, binary, t.TempDir()+"/data")
	fmt.Printf("ready     empty %s, RSS %.1f MB\n", empty.ready.Round(time.Millisecond), empty.rss()/1e6)
	empty.postToFrame(t)
	people := empty.crowd(100)
	empty.end(t)
	fresh := serve(t, binary, empty.site.Data) // hashing their passwords has left its mark on the memory of the first
	fresh.idle(t, people)
	fresh.end(t)

	events := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("EVENTS")); err == nil {
		events = n
	}
	dir := t.TempDir() + "/data"
	fillOutbox(t, dir, events)
	first := serve(t, binary, dir)
	fmt.Printf("ready     %d events to rebuild %s\n", events, first.ready.Round(time.Millisecond))
	first.end(t)
	again := serve(t, binary, dir)
	fmt.Printf("ready     %d events, log in place %s, RSS %.1f MB\n", events, again.ready.Round(time.Millisecond),
		again.rss()/1e6)
	again.end(t)
}

// process is a server of its own.
type process struct {
	site  *site
	cmd   *exec.Cmd
	ready time.Duration
}

func serve(t *testing.T, binary, data string) *process {
	t.Helper()
	address := freePort(t)
	p := &process{site: &site{t: t, URL: "http://" + address, Data: data}}
	p.cmd = exec.Command(binary, "serve", "--data", data, "--listen", address, "--admin", freePort(t))
	p.cmd.Env = append(os.Environ(), "BELFRY_LIMITS_ENABLED=false", "BELFRY_LOG_LEVEL=warn")
	p.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := began.Add(5 * time.Minute); ; {
		resp, err := http.Get(p.site.URL + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.ready = time.Since(began)
				return p
			}
		}
		if time.Now().After(deadline) {
			_ = p.cmd.Process.Kill()
			t.Fatal("the server is not ready")
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// rss is the resident memory of the process in bytes.
func (p *process) rss() float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if kb, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 64)
			return n * 1024
		}
	}
	return 0
}

// postToFrame: one follower, 20 posts a second, from the POST being sent to its frame being read.
func (p *process) postToFrame(t *testing.T) {
	author, reader := p.site.register("author"), p.site.register("reader")
	reader.follow(author)
	s, _ := reader.stream("")
	var took, answered []time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range 200 {
		<-tick.C
		began := time.Now()
		author.post("post " + strconv.Itoa(i))
		answered = append(answered, time.Since(began))
		s.await("post.created")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	slices.Sort(answered)
	fmt.Printf("live      POST to frame, one follower, 20/s: p50 %s p99 %s; answer p50 %s p99 %s\n", at(took, 50),
		at(took, 99), at(answered, 50), at(answered, 99))
	s.close()
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}

// crowd registers people who follow nobody.
func (p *process) crowd(n int) []*person {
	var people []*person
	for i := range n {
		people = append(people, p.site.register("idle"+strconv.Itoa(i)))
	}
	return people
}

// idle: ten connections of each of these people, whose sessions are of an earlier run.
func (p *process) idle(t *testing.T, people []*person) {
	for _, who := range people {
		who.site = p.site
	}
	warm, _ := people[0].stream("") // the first stream pays for what all share
	warm.close()
	before := p.rss()
	var open []*stream
	for _, who := range people {
		for range 10 {
			s, _ := who.stream("")
			open = append(open, s)
		}
	}
	after := p.rss()
	fmt.Printf("idle      %d connections: %.1f KB each (RSS %.1f -> %.1f MB)\n", len(open),
		(after-before)/float64(len(open))/1024, before/1e6, after/1e6)
	for _, s := range open {
		s.close()
	}
}

// fillOutbox writes announcements straight into a fresh database: each 200 bytes, for 10,000 people.
func fillOutbox(t *testing.T, dir string, n int) {
	t.Helper()
	lock, err := sqlite.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, sqlite.FileName),
		Synchronous: sqlite.SyncNormal})
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.MigrateAll(t.Context(), db, storage.OwnMigrations); err != nil {
		t.Fatal(err)
	}
	data := []byte(`{"text":"` + strings.Repeat("x", 188) + `"}`)
	for done := 0; done < n; {
		batch := min(2000, n-done)
		err := db.InTx(t.Context(), func(tx storage.Tx) error {
			for i := range batch {
				var user social.ID
				user[15], user[14] = byte(done+i), byte((done+i)>>8)%40
				if _, err := outbox.Add(context.Background(), tx, outbox.Announcement{Stream: social.Stream{Kind: social.To,
					User: user}, Type: "notification",
					Actor: user, Object: user, About: []social.ID{user}, Time: social.TimeOf(time.Now()), Data: data}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done += batch
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func cpu() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(b), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(b))
}
