package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
)

// Report is the result of a run. A scenario adds rows and what it checked; Run adds the rest.
type Report struct {
	Bench   string              `json:"bench"`
	Machine machine.Description `json:"machine"`
	Flags   map[string]string   `json:"flags"`
	Rows    []*Row              `json:"rows"`
	Checked client.Checked      `json:"checked"`

	section string // before the names of rows
}

// Row is one measurement with its figures, in the order in which they are printed.
type Row struct {
	Name    string
	figures []figure
}

// figure is a value with the name it has in JSON. The table's heading is made of it: "deliveries_per_s" becomes
// "deliveries/s", "server_cpu_s_per_million" "server cpu s/M".
type figure struct {
	name  string
	value float64
}

func newReport(name string, fs *flag.FlagSet) *Report {
	r := &Report{Bench: name, Flags: map[string]string{}}
	fs.VisitAll(func(f *flag.Flag) {
		if f.Name != "service-token" && f.Name != "json" {
			r.Flags[f.Name] = f.Value.String()
		}
	})
	return r
}

// Row adds a row.
func (r *Report) Row(name string) *Row {
	row := &Row{Name: r.section + name}
	r.Rows = append(r.Rows, row)
	return row
}

// Figure adds a figure. A name has the unit in it: "p50_ms", "posts_per_s", "rss_kb_per_stream". The same name
// stands for the same thing in all rows of a report.
func (w *Row) Figure(name string, value float64) *Row {
	w.figures = append(w.figures, figure{name, value})
	return w
}

// Rate adds operations per second.
func (w *Row) Rate(what string, n int, took time.Duration) *Row {
	return w.Figure(what+"_per_s", float64(n)/max(took.Seconds(), 1e-9))
}

// Latency adds p50, p99, p99.9 and the largest.
func (w *Row) Latency(h *client.Histogram) *Row {
	return w.Figure("p50_ms", millis(h.Quantile(0.5))).Figure("p99_ms", millis(h.Quantile(0.99))).
		Figure("p999_ms", millis(h.Quantile(0.999))).Figure("max_ms", millis(h.Quantile(1)))
}

// Answers adds p50 and p99 of the time to the answer, where Latency is something else.
func (w *Row) Answers(h *client.Histogram) *Row {
	return w.Figure("answer_p50_ms", millis(h.Quantile(0.5))).Figure("answer_p99_ms", millis(h.Quantile(0.99)))
}

// Usage adds what a measured stretch took of server and client: CPU seconds for a million operations, and the
// server's peak memory. What is not known is left out.
func (w *Row) Usage(u machine.Usage, operations int) *Row {
	perMillion := func(d time.Duration) float64 { return d.Seconds() / float64(max(operations, 1)) * 1e6 }
	if u.Known {
		w.Figure("server_cpu_s_per_million", perMillion(u.Server)).Figure("peak_mb", mb(u.Peak))
	}
	return w.Figure("client_cpu_s_per_million", perMillion(u.Client))
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// MarshalJSON writes the figures as one object.
func (w *Row) MarshalJSON() ([]byte, error) {
	figures := make(map[string]float64, len(w.figures))
	for _, f := range w.figures {
		figures[f.name] = math.Round(f.value*1e4) / 1e4
	}
	return json.Marshal(struct {
		Name    string             `json:"name"`
		Figures map[string]float64 `json:"figures"`
	}{w.Name, figures})
}

// verdict is ErrFaults if the run had any.
func (r *Report) verdict() error {
	if r.Checked.Faulty() {
		return ErrFaults
	}
	return nil
}

// print writes the report. One with faults has no rows.
func (r *Report) print(w io.Writer, asJSON bool) error {
	if r.Checked.Faulty() {
		r.Rows = nil
	}
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	var b strings.Builder
	r.head(&b)
	r.table(&b)
	c := r.Checked
	fmt.Fprintf(&b, "checked %s deliveries: lost %d, doubled %d, out of order %d, not theirs %d; "+
		"failed requests and connections %d\n",
		number(float64(c.Deliveries)), c.Lost, c.Doubled, c.Disordered, c.Stray, c.Failed)
	for _, e := range c.Examples {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

func (r *Report) head(b *strings.Builder) {
	names := make([]string, 0, len(r.Flags))
	for n := range r.Flags {
		names = append(names, n)
	}
	slices.Sort(names)
	fmt.Fprintf(b, "%s", r.Bench)
	for _, n := range names {
		if v := r.Flags[n]; v != "" && v != "false" && (n != "pid" || v != "0") {
			fmt.Fprintf(b, " %s=%s", n, v)
		}
	}
	fmt.Fprintf(b, "\n%s\n", r.Machine)
}

// table writes rows that follow each other and have the same figures below one heading.
func (r *Report) table(b *strings.Builder) {
	for rest := r.Rows; len(rest) > 0; {
		n := 1
		for n < len(rest) && slices.EqualFunc(rest[n].figures, rest[0].figures, sameName) {
			n++
		}
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, f := range rest[0].figures {
			fmt.Fprintf(t, "\t%s", heading(f.name))
		}
		for _, row := range rest[:n] {
			fmt.Fprintf(t, "\t\n%s", row.Name)
			for _, f := range row.figures {
				fmt.Fprintf(t, "\t%s", number(f.value))
			}
		}
		fmt.Fprintln(t, "\t")
		_ = t.Flush() // a strings.Builder takes everything
		rest = rest[n:]
	}
}

func sameName(x, y figure) bool { return x.name == y.name }

func heading(name string) string {
	return strings.NewReplacer("_per_million", "/M", "_per_", "/", "p999", "p99.9", "_", " ").Replace(name)
}

// number writes four digits that mean something, with commas between thousands.
func number(v float64) string {
	if math.Abs(v) < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
