package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/modules/social"
)

// TestEndIsTold: when an account ends, its followers are told, live and by replay, whatever they want of posts; also
// when the work behind it is done, and when the log was lost. Nobody else is.
func TestEndIsTold(t *testing.T) {
	var jobs struct {
		fx.In
		List []social.Job `group:"jobs"`
	}
	w := startWorld(t, nil, 4, fx.Populate(&jobs))
	gone := w.register("victor")
	follow := func(m member, body any) {
		t.Helper()
		newCaller(w.URL, m.Token).must(t, 200, "PUT", "/v1/users/"+gone.ID+"/follow", body)
	}
	quiet, keen, left, stranger := w.People[0], w.People[1], w.People[2], w.People[3]
	follow(quiet, map[string]any{"notify": false})
	follow(keen, nil)
	follow(left, nil)
	newCaller(w.URL, left.Token).must(t, 200, "DELETE", "/v1/users/"+gone.ID+"/follow", nil)
	for range 3 {
		gone.post("soon gone")
	}
	w.settle()
	var live []*stream
	for _, m := range []member{quiet, keen} {
		for _, posts := range []string{"notify", "all", "none"} {
			s, _ := w.anonymous().stream("?posts="+posts, "Authorization: Bearer "+m.Token)
			live = append(live, s)
		}
	}
	mustBelfry(t, "user", "delete", "victor", "--yes", "--data", w.Data)
	told := ""
	for _, s := range live {
		b := s.await("user.deleted")
		if told == "" {
			told = b.ID + " " + b.Data
		}
		if b.ID+" "+b.Data != told || !strings.Contains(b.Data, `"data":{"id":"`+gone.ID+`"}`) {
			t.Errorf("told %s %s, and another was told %s", b.ID, b.Data, told)
		}
		s.close()
	}
	replayed := func(when string) {
		t.Helper()
		for _, posts := range []string{"notify", "all", "none"} {
			for who, want := range map[member]int{quiet: 1, keen: 1, left: 0, stranger: 0} {
				n := 0
				for _, d := range everything(t, w.URL, who, posts).Got {
					e := d.JSON
					if strings.Contains(e, `"type":"user.deleted"`) {
						n++
						if _, data, _ := strings.Cut(told, " "); !strings.Contains(e, data) {
							t.Errorf("%s: %s is told %s, was %s", when, who.Name, e, told)
						}
					}
					if strings.Contains(e, "soon gone") {
						t.Errorf("%s: %s is still shown %s", when, who.Name, e)
					}
				}
				if n != want {
					t.Errorf("%s, posts=%s: %s is told %d times, want %d", when, posts, who.Name, n, want)
				}
			}
		}
	}
	replayed("at once")
	for _, job := range jobs.List {
		for more := true; more; {
			var err error
			if more, err = job.Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", job.Name, err)
			}
		}
	}
	replayed("after the jobs")
	w.stop()
	if err := os.Remove(filepath.Join(w.Data, boltFile)); err != nil {
		t.Fatal(err)
	}
	w.start()
	replayed("after the log was lost")
}
