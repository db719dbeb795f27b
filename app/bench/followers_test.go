package bench_test

import (
	"runtime"
	"strings"
	"testing"
)

// Writers, readers and authors in small sizes: what was checked, and that every row is there. Nothing is said of
// speed.
func TestPeopleWhoWriteAndRead(t *testing.T) {
	for name, tt := range map[string]struct {
		args       string
		rows       []string
		deliveries int // -1 = as many as were made
	}{
		"post": {"post --clients 1,3 --for 200ms", []string{"posts, 1 clients", "posts, 3 clients"}, -1},
		"past": {"post --clients 2 --for 200ms --events 1500", []string{"posts, 2 clients"}, -1},
		"like": {"post --what like --clients 3 --for 200ms --synchronous normal", []string{"likes, 3 clients"}, -1},
		"read": {"read --sizes 300,700 --readers 20 --follows 8 --replies 400 --followers 60 --for 60ms --clients 2 " +
			"--pages 3",
			[]string{"home 700, page 3, 200/s", "home 700, 20 readers in turn, 2 clients", "home 700, page 3 : page 1",
				"thread 700, page 1 : 300", "notifications 300, page 3 : page 1",
				"notifications of acts 700, page 1, 2 clients", "followers 300, page 1, 2 clients"}, -1},
		"many": {"followers --followers 2,30 --connected 10 --posts 3 --rounds 2",
			[]string{"2 followers", "30 followers", "10 followers, connected", "30 followers : 2 followers",
				"10 followers, connected : 2 followers"},
			(3 + 2*3) * (1 + 1 + 11)},
		"live": {"live --for 200ms", []string{"20 posts/s"}, 3 + 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := runBench(t, append(strings.Fields(tt.args), "--json", "--dir", t.TempDir())...)
			if err != nil {
				t.Fatalf("%v: %+v", err, r.Checked)
			}
			names := "\n"
			for _, row := range r.Rows {
				names += row.Name + "\n"
				if len(row.Figures) == 0 {
					t.Errorf("%s has no figures", row.Name)
				}
				// A row in the database and an event in the log are some kilobytes at least; answers alone are not.
				if handed := row.Figures["handed_kb_per_write"]; r.Bench == "post" && runtime.GOOS == "linux" && handed < 2 {
					t.Errorf("%s: %g KB handed to write calls", row.Name, handed)
				}
			}
			for _, want := range tt.rows {
				if !strings.Contains(names, "\n"+want+"\n") {
					t.Errorf("no row %q in %s", want, names)
				}
			}
			if c := r.Checked; c.Deliveries == 0 || (tt.deliveries >= 0 && c.Deliveries != tt.deliveries) {
				t.Errorf("checked %+v, want %d", c, tt.deliveries)
			}
		})
	}
	for _, args := range []string{"post --what dance", "read --readers 1", "read --sizes 10", "followers --posts 0",
		"live --rate 0", "post --what like --events 5"} {
		_, err := runBench(t, append(strings.Fields(args), "--dir", t.TempDir())...)
		if err == nil || !strings.Contains(err.Error(), "bench") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
