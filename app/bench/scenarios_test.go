package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/belfry-social/belfry/app/bench"
)

// report is what --json prints.
type report struct {
	Bench   string
	Machine struct{ CPU, Filesystem, Date string }
	Flags   map[string]string
	Rows    []struct {
		Name    string
		Figures map[string]float64
	}
	Checked struct {
		Deliveries, Lost, Doubled, Failed int
		Disordered                        int `json:"out_of_order"`
		Stray                             int `json:"not_theirs"`
		Examples                          []string
	}
}

// TestScenarios runs each scenario of the engine in a small size against a server of its own. It asserts what was
// delivered, never how fast.
func TestScenarios(t *testing.T) {
	for _, tt := range []struct {
		args       string
		rows       string   // names, joined
		deliveries int      // -1 = as many as were published
		figures    []string // of the first row
	}{
		{"idle --streams 50 --follows 5 --for 100ms --times 1", "connect,connected,held 100ms,after it,reopened 1", 0,
			[]string{"connects_per_s", "p99_ms"}},
		{"fanout --followers 40 --bystanders 10 --posts 7", "full rate", 40 * (3 + 7),
			[]string{"deliveries_per_s", "p50_ms", "p99_ms", "p999_ms", "answer_p50_ms", "client_cpu_s_per_million"}},
		{"fanout --followers 40 --posts 5 --rate 100 --size 2000", "100 posts/s", 40 * (3 + 5), nil},
		{"notify --users 50 --publishers 4 --for 200ms", "full speed", -1, []string{"notifications_per_s", "p99_ms"}},
		{"notify --users 20 --publishers 4 --for 200ms --rate 100", "100/s", -1, nil},
		{"replay --readers 30 --missed 20", "replay", 30 * 20, []string{"events_per_s", "caught_up_ms"}},
		{"replay --readers 30 --missed 20 --own --follows 4", "replay", -1, nil},
		{"reconnect --people 40 --follows 5 --news 3 --times 2", "round 1,round 2,median", -1, []string{"people_per_s"}},
		{"reconnect --people 40 --follows 5 --news 3 --restart --within 50ms", "after restart", -1,
			[]string{"all_served_s", "p99_ms"}},
		{"stuck --healthy 20 --silent 3 --for 2s --rate 40 --set channels.sse.progress_timeout=200ms " +
			"--set channels.sse.send_buffer=16KiB",
			"alone,beside the silent,the silent come back", 20*(3+80) + 23*(3+80), []string{"p99_ms"}},
		{"floor --streams 30 --posts 5 --for 100ms --rate 100 --paced 4",
			"idle, connect,idle, connected,idle, held 100ms,idle, after it,idle, reopened 1,fanout, full rate,fanout, " +
				"100 posts/s", 30 * (3 + 5 + 3 + 4), nil},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, err := runBench(t, append(strings.Fields(tt.args), "--json", "--dir", dir)...)
			if err != nil {
				t.Fatalf("%v: %+v", err, r.Checked)
			}
			var names []string
			for _, row := range r.Rows {
				names = append(names, row.Name)
				for name, v := range row.Figures {
					if v < 0 && name != "beyond_it_us" && name != "kb_per_stream" { // differences
						t.Errorf("%s: %s is %g", row.Name, name, v)
					}
				}
			}
			if got := strings.Join(names, ","); got != tt.rows {
				t.Fatalf("rows %q, want %q", got, tt.rows)
			}
			for _, name := range tt.figures {
				if r.Rows[0].Figures[name] <= 0 {
					t.Errorf("%s: no %s in %v", r.Rows[0].Name, name, r.Rows[0].Figures)
				}
			}
			if c := r.Checked; c.Lost+c.Doubled+c.Disordered+c.Stray+c.Failed != 0 ||
				(tt.deliveries >= 0 && c.Deliveries != tt.deliveries) || (tt.deliveries < 0 && c.Deliveries == 0) {
				t.Errorf("checked %+v, want %d deliveries", c, tt.deliveries)
			}
			checkMachine(t, r)
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s was left", left[0].Name())
			}
		})
	}
}

func checkMachine(t *testing.T, r report) {
	t.Helper()
	if r.Machine.CPU == "" || r.Machine.Filesystem == "" || r.Machine.Date == "" || r.Flags["seed"] != "1" {
		t.Errorf("machine %+v, flags %v", r.Machine, r.Flags)
	}
}

func runBench(t *testing.T, args ...string) (r report, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = bench.Run(t.Context(), bench.Options{Out: &out, Err: &log, Environ: os.Environ()}, args)
	if out.Len() > 0 {
		if bad := json.Unmarshal(out.Bytes(), &r); bad != nil {
			t.Fatalf("%v in %s", bad, out.String())
		}
	}
	if log.Len() > 0 {
		t.Logf("the server said %s", log.String())
	}
	return r, err
}

// A server that runs already is measured with people who register there.
func TestScenarioAtURL(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	args := "fanout --json --followers 5 --bystanders 2 --posts 3 --url " + url + " --dir " + t.TempDir()
	r, err := runBench(t, strings.Fields(args)...)
	if err != nil || r.Checked.Deliveries != 5*(3+3) {
		t.Fatalf("%v: %+v", err, r.Checked)
	}
	if _, known := r.Rows[0].Figures["peak_mb"]; known {
		t.Errorf("memory of a process it was not told of: %v", r.Rows[0].Figures)
	}
	for _, args := range []string{"notify --url " + url, "reconnect --restart --people 2 --follows 1 --url " + url,
		"fanout --url https://" + url, "floor --url " + url} {
		list := append(strings.Fields(args), "--dir", t.TempDir(), "--json")
		if _, err := runBench(t, list...); !errors.Is(err, bench.ErrUsage) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"fan-out", "fanout more", "fanout --followers x", "fanout --set nothing",
		"all --nothing", "floor-server", "fanout --followers 0", "fanout --followers -5", "fanout --posts 0",
		"fanout --size -1", "fanout --size 5001", "fanout --rate -1", "fanout --rate NaN", "idle --streams 0",
		"idle --for -1s", "notify --publishers 0", "notify --size 2001", "notify --rate +Inf", "replay --missed 0",
		"reconnect --restart --within -1s", "reconnect --news -1", "post --for 0s", "read --only nothing", "read --readers 1",
		"floor --paced 0", "followers --connected -1", "post --synchronous maybe", "post --what reply"} {
		dir, out := t.TempDir(), bytes.Buffer{}
		err := bench.Run(t.Context(), bench.Options{Out: &out, Err: &out}, append(strings.Fields(args), "--dir", dir))
		if !errors.Is(err, bench.ErrUsage) {
			t.Errorf("%s: %v", args, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 || out.Len() > 0 {
			t.Errorf("%s: printed %q and left %v", args, out.String(), left)
		}
	}
	for args, want := range map[string]string{"": "fanout", "--help": "reconnect", "notify --help": "-publishers"} {
		var out bytes.Buffer
		err := bench.Run(t.Context(), bench.Options{Out: &out, Err: &out}, strings.Fields(args))
		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q: %v: %s", args, err, out.String())
		}
	}
}

// A server that does not start says why, and leaves nothing.
func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--set server.body_limit=nonsense": "BELFRY_SERVER_BODY_LIMIT",
		"--program /nowhere/belfry":        "/nowhere/belfry",
	} {
		dir := t.TempDir()
		var log bytes.Buffer
		err := bench.Run(t.Context(), bench.Options{Out: &log, Err: &log, Environ: os.Environ()},
			append(strings.Fields("fanout --followers 1 --dir "+dir), strings.Fields(args)...))
		if err == nil || !strings.Contains(log.String()+err.Error(), want) {
			t.Errorf("%s: %v: %s", args, err, log.String())
		}
		if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
			t.Errorf("%s: %s was left", args, left)
		}
	}
}

// A server of another program is measured: the one that --program names is started.
func TestOtherProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, started := filepath.Join(dir, "other"), filepath.Join(dir, "started")
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\ntouch " + started + "\nexec " + self + ` "$@"` + "\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := runBench(t, strings.Fields("live --for 200ms --json --dir "+dir+" --program "+program)...)
	if err != nil || r.Checked.Deliveries == 0 {
		t.Errorf("%v: %+v", err, r.Checked)
	}
	if _, err := os.Stat(started); err != nil {
		t.Error(err)
	}
}

// startServer runs a server of its own for a test, as `belfry serve` does, and returns its address.
func startServer(t *testing.T) string {
	t.Helper()
	address := freeAddress(t)
	cmd := exec.Command(os.Args[0], "serve", "--data", t.TempDir()+"/data", "--listen", address, "--admin", freeAddress(t))
	cmd.Env = append(os.Environ(), "BELFRY_LIMITS_ENABLED=false", "BELFRY_LOG_LEVEL=warn")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it says where it listens
		t.Fatal(err)
	}
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// stopper is a terminal whose user ends the run as soon as a word is shown.
type stopper struct {
	word string
	stop context.CancelFunc
}

func (s *stopper) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(s.word)) {
		s.stop()
	}
	return len(b), nil
}

// TestInterrupted: a run that is ended stops at once, wherever it is, prints no table, and leaves no data behind.
func TestInterrupted(t *testing.T) {
	for args, word := range map[string]string{
		"fanout --followers 1 --posts 1000000":                      "posts ",
		"reconnect --people 2 --follows 1 --news 1000000 --times 1": "news ",
		"replay --readers 2 --missed 1000000":                       "posts ",
		"followers --followers 1,2 --connected 0 --posts 1000000":   "posts ",
	} {
		t.Run(args, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			dir, out := t.TempDir(), bytes.Buffer{}
			err := bench.Run(ctx, bench.Options{Out: &out, Err: &stopper{word, stop}, Terminal: true, Environ: os.Environ()},
				append(strings.Fields(args), "--dir", dir))
			if left, _ := os.ReadDir(dir); !errors.Is(err, context.Canceled) || out.Len() > 0 || len(left) > 0 {
				t.Errorf("%v, printed %q, left %v", err, out.String(), left)
			}
		})
	}
}
