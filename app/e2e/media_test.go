package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// tinyPicture is a PNG of some pixels.
func tinyPicture(t testing.TB) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 24, 16))
	m.SetGray(3, 3, color.Gray{Y: 200})
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pictureForm is the form of an upload, with fields behind the file: their names and values in turn.
func pictureForm(t testing.TB, file []byte, fields ...string) (kind string, form []byte) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("file", "picture.png")
	if err == nil {
		_, err = part.Write(file)
	}
	for i := 0; err == nil && i+1 < len(fields); i += 2 {
		err = w.WriteField(fields[i], fields[i+1])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), out.Bytes()
}

// picture sends one and returns it.
func (p *person) picture(alt string) (m social.Media) {
	p.site.t.Helper()
	kind, form := pictureForm(p.site.t, tinyPicture(p.site.t), "alt", alt)
	p.want(201, "POST", "/v1/media", form, &m, "Content-Type: "+kind)
	return m
}

// TestPictures is a picture's way: sent, shown in a post, told to a follower and in a notification, described better,
// and gone with the post; and an avatar wherever its owner is named.
func TestPictures(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.want(200, "PUT", "/v1/users/"+alice.ID+"/follow", nil, nil)
	face := alice.picture("")
	var me struct {
		AvatarURL *string `json:"avatar_url"`
	}
	alice.want(200, "PATCH", "/v1/me", map[string]any{"avatar_media_id": face.ID}, &me)
	if me.AvatarURL == nil || *me.AvatarURL != *face.PreviewURL {
		t.Fatalf("the avatar is %v, want %s", me.AvatarURL, *face.PreviewURL)
	}
	m := alice.picture("a perch")
	var post struct {
		ID     string
		Media  []social.Media
		Author struct {
			AvatarURL *string `json:"avatar_url"`
		}
	}
	alice.want(201, "POST", "/v1/posts", map[string]any{"media_ids": []social.ID{m.ID}}, &post) // pictures are enough
	if len(post.Media) != 1 || *post.Media[0].URL != *m.URL || post.Author.AvatarURL == nil {
		t.Fatalf("the post is %+v", post)
	}
	alt := "a perch in the reeds"
	alice.want(200, "PATCH", "/v1/media/"+m.ID.String(), map[string]any{"alt": alt}, nil)
	read := func(who *person, path string) string {
		_, body := who.do("GET", path, nil, "Accept: application/json")
		return string(body)
	}
	for _, path := range []string{"/v1/posts/" + post.ID, "/v1/timelines/home",
		"/v1/users/" + alice.ID + "/posts?media=true"} {
		if body := read(bob, path); !strings.Contains(body, alt) || !strings.Contains(body, *m.URL) ||
			!strings.Contains(body, *face.PreviewURL) {
			t.Errorf("%s: %s", path, body)
		}
	}
	alice.post("without")
	if body := read(bob, "/v1/users/"+alice.ID+"/posts?media=true"); strings.Contains(body, "without") {
		t.Errorf("a post without pictures: %s", body)
	}
	if events := read(bob, "/v1/events?after=oldest&posts=all"); !strings.Contains(events, *m.URL) ||
		!strings.Contains(events, *face.PreviewURL) {
		t.Errorf("the events of a follower: %s", events)
	}
	bob.want(200, "PUT", "/v1/posts/"+post.ID+"/like", nil, nil)
	if list := read(alice, "/v1/notifications"); !strings.Contains(list, `"preview_url":"`+*m.PreviewURL) {
		t.Errorf("the notification: %s", list)
	}
	file := mustURL(t, *m.URL).Path
	resp, _ := s.anonymous().do("GET", file, nil)
	for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": "inline", "Content-Security-Policy": "default-src 'none'; sandbox",
		"Cache-Control": "public, max-age=31536000, immutable"} {
		if resp.StatusCode != 200 || resp.Header.Get(name) != want {
			t.Errorf("%d, %s: %q, want %q", resp.StatusCode, name, resp.Header.Get(name), want)
		}
	}
	again, body := s.anonymous().do("GET", file, nil, "If-None-Match: "+resp.Header.Get("ETag"))
	if again.StatusCode != 304 || len(body) > 0 || again.Header.Get("Cache-Control") == "no-store" {
		t.Errorf("a file that is there: %d, %d bytes, %v", again.StatusCode, len(body), again.Header)
	}
	alice.want(204, "DELETE", "/v1/posts/"+post.ID, nil, nil)
	if resp, _ := s.anonymous().do("GET", file, nil); resp.StatusCode != 404 {
		t.Errorf("the file of a deleted post: %d", resp.StatusCode)
	}
	bob.eventsUntil(social.EventPostDeleted, post.ID)
	if events := read(bob, "/v1/events?after=oldest&posts=all"); strings.Contains(events, *m.URL) {
		t.Errorf("the events of a follower after the end: %s", events)
	}
}

// TestManyUploads: many pictures at once are all kept, the process stays within a bound of memory that does not grow
// with their number, and others go on posting. UPLOADS= and SIDE= make it the measurement of docs/performance.md.
func TestManyUploads(t *testing.T) {
	seed, _ := luck(t)
	uploads, side := number(t, "UPLOADS", 12), number(t, "SIDE", 1000)
	w := startWorld(t, nil, 20)
	w.stop()
	c := newChild(t, w.Data, "BELFRY_QUOTA_MEDIA_BYTES_PER_DAY=0")
	c.mustStart()
	kind, form := pictureForm(t, wavesOf(t, side))
	while := func(stop func()) { time.AfterFunc(time.Duration(uploads)*50*time.Millisecond, stop) }
	quiet := postBeside(t, c, w.People[0], while)
	busy := exec.Command("sh", "-c", "while :; do :; done") // a picture in work is a core that is busy, and so is this
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	besideBusy := postBeside(t, c, w.People[0], while)
	_ = busy.Process.Kill()
	_ = busy.Wait()
	began, ready, later := time.Now(), 0, 0
	beside := postBeside(t, c, w.People[0], func(stop func()) {
		defer stop()
		var all sync.WaitGroup
		var mu sync.Mutex
		ask := time.NewTicker(20 * time.Millisecond)
		defer ask.Stop()
		for i := range uploads {
			all.Go(func() {
				who := w.People[1+i%(len(w.People)-1)]
				status, m := sendForm(t, c.URL, who, kind, form)
				mu.Lock()
				if ready++; status == 202 {
					ready, later = ready-1, later+1
				}
				mu.Unlock()
				switch status {
				case 201:
				case 202:
					for m.State == social.MediaProcessing {
						<-ask.C // they take turns, so that asking is no load
						text := newCaller(c.URL, who.Token).must(t, 200, "GET", "/v1/media/"+m.ID.String(), nil)
						if err := json.Unmarshal(text, &m); err != nil {
							t.Error(err)
						}
					}
					if m.State != social.MediaReady {
						t.Errorf("a picture is %s", m.State)
					}
				default:
					t.Errorf("an upload was answered %d", status)
				}
			})
		}
		all.Wait()
	})
	took := time.Since(began)
	peak := peakOf(t, c)
	report(t, "uploads", seed, map[string]any{"uploads": uploads, "megapixels": float64(side) * float64(side) * 3 / 4e6,
		"seconds": took.Seconds(), "ready_at_once": ready, "later": later, "peak_mb": peak >> 20,
		"posts_p99_ms_quiet": quiet, "posts_p99_ms_busy_core": besideBusy, "posts_p99_ms_beside": beside})
	if bound := int64(600 << 20); peak > bound && !raceDetector {
		t.Errorf("%d MB at the peak, bound is %d", peak>>20, bound>>20)
	}
}

// wavesOf draws a JPEG of side x 3/4 side pixels.
func wavesOf(t testing.TB, side int) []byte {
	t.Helper()
	m := image.NewYCbCr(image.Rect(0, 0, side, side*3/4), image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = uint8(128 + 60*math.Sin(float64(i%side)/37) + float64(i*2654435761>>28&15)) //nolint:gosec // a shade
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sendForm uploads a form as a client does: told that all slots are taken, it asks again when the answer says.
func sendForm(t testing.TB, base string, who member, kind string, form []byte) (status int, m social.Media) {
	for {
		resp, text := sendOnce(t, base, who, kind, form)
		if resp == nil {
			return 0, m
		}
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != 503 {
			decode(t, text, &m)
			return resp.StatusCode, m
		}
		if err != nil {
			t.Errorf("503 without a time: %v", resp.Header)
			return 503, m
		}
		select {
		case <-t.Context().Done():
			return 503, m
		case <-time.After(time.Duration(seconds) * time.Second):
		}
	}
}

func sendOnce(t testing.TB, base string, who member, kind string, form []byte) (*http.Response, []byte) {
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/v1/media", bytes.NewReader(form))
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+who.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp, text
}

// postBeside posts without a pause until stop is called, and gives the slowest hundredth in milliseconds.
func postBeside(t *testing.T, c *child, who member, what func(stop func())) float64 {
	t.Helper()
	done := make(chan struct{})
	go what(sync.OnceFunc(func() { close(done) }))
	poster := newCaller(c.URL, who.Token)
	var took []float64
	for n := 0; ; n++ {
		select {
		case <-done:
			slices.Sort(took)
			return took[len(took)*99/100]
		default:
		}
		began := time.Now()
		poster.must(t, 201, "POST", "/v1/posts", map[string]any{"text": fmt.Sprint("post ", n)})
		took = append(took, float64(time.Since(began).Microseconds())/1000)
	}
}

// peakOf is the most memory that the process has had resident, in bytes.
func peakOf(t testing.TB, c *child) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Skip(err) // not on every system
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestBackupKeepsPictures: a backup of the running site has the files; of what is restored each is served with the same
// bytes; the check of a site names what is missing, and what belongs to nobody.
func TestBackupKeepsPictures(t *testing.T) {
	w := startWorld(t, nil, 1)
	w.stop()
	c := newChild(t, w.Data)
	c.mustStart()
	kind, form := pictureForm(t, tinyPicture(t))
	_, m := sendForm(t, c.URL, w.People[0], kind, form)
	_, gone := sendForm(t, c.URL, w.People[0], kind, form)
	newCaller(c.URL, w.People[0].Token).must(t, 204, "DELETE", "/v1/media/"+gone.ID.String(), nil)
	file := mustURL(t, *m.URL).Path
	want := newCaller(c.URL, w.People[0].Token).must(t, 200, "GET", file, nil)
	for _, to := range []string{filepath.Join(t.TempDir(), "site.tar"), filepath.Join(t.TempDir(), "site") + "/"} {
		mustBelfry(t, "backup", to, "--data", c.Data)
		data := filepath.Join(t.TempDir(), "data")
		if said := mustBelfry(t, "restore", to, "--data", data); !strings.Contains(said, "2 files of pictures") ||
			strings.Contains(said, "missing") {
			t.Errorf("restore says %s", said)
		}
		twin := newChild(t, data)
		twin.mustStart()
		got := newCaller(twin.URL, w.People[0].Token).must(t, 200, "GET", file, nil)
		if !bytes.Equal(got, want) || len(got) == 0 {
			t.Errorf("%s: %d bytes, want %d", to, len(got), len(want))
		}
		twin.term()
		twin.exit(deadline)
		token := strings.Split(file, "/")[2]
		here := filepath.Join(data, "belfry.media", token[:2])
		if err := os.Rename(filepath.Join(here, token+"-small.jpg"), filepath.Join(here, "stray-small.jpg")); err != nil {
			t.Fatal(err)
		}
		said, err := program("", "log", "check", "--data", data)
		if err == nil || !strings.Contains(said, token+"-small.jpg") || !strings.Contains(said, "stray-small.jpg") {
			t.Errorf("a check of a site without a file says %s (%v)", said, err)
		}
	}
}
